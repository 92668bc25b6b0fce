//! The kit against a real PostgreSQL.
#![allow(clippy::disallowed_methods, reason = "a real server takes real time")]

use std::{fs, thread, time::Duration};

use abide_services::postgres::{Options, Postgres, shared};

#[test]
fn a_killed_server_comes_back_with_what_it_was_told() {
    let mut server = Postgres::start().unwrap();
    server.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)").unwrap();
    server.kill9().unwrap();
    assert!(server.sql("SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.sql("SELECT n FROM t").unwrap().trim(), "7");
    server.stop().unwrap();
    assert!(server.sql("SELECT 1").is_err());
    let folder = server.folder().to_owned();
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn a_standby_follows_refuses_writes_and_is_promoted() {
    let mut primary = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let standby = primary.standby().unwrap();
    primary.sql("CREATE TABLE t (n int)").unwrap();
    let mut looks = 0;
    while standby.sql("SELECT count(*) FROM t").is_err() && looks < 500 {
        looks += 1;
        thread::sleep(Duration::from_millis(20));
    }
    assert!(standby.sql("INSERT INTO t VALUES (1)").unwrap_err().to_string().contains("read-only"));
    primary.kill9().unwrap();
    standby.promote().unwrap();
    standby.sql("INSERT INTO t VALUES (1)").unwrap();
}

#[test]
fn a_shared_server_gives_every_test_a_schema_of_its_own() {
    let (one, two) = (shared().unwrap(), shared().unwrap());
    assert_ne!(one.url(), two.url());
    assert_eq!(one.server(), two.server());
    for schema in [&one, &two] {
        schema.sql(&format!("CREATE SCHEMA \"{}\"; CREATE TABLE t (n int)", schema.schema())).unwrap();
    }
    one.sql("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(two.sql("SELECT count(*) FROM t").unwrap().trim(), "0");
}

/// A system has few of these: a suite that leaves some behind on each run ends by not running at all.
#[test]
fn a_dropped_server_leaves_no_shared_memory() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let lock = fs::read_to_string(server.folder().join("data/postmaster.pid")).unwrap();
    let segment = lock.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).unwrap().to_owned();
    let is_there = || {
        let all = fs::read_to_string("/proc/sysvipc/shm").unwrap();
        all.lines().any(|line| line.split_whitespace().nth(1) == Some(&*segment))
    };
    assert!(is_there());
    server.pause().unwrap();
    drop(server);
    assert!(!is_there());
}
