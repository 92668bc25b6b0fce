//! Looking after stores.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use abide_services::{Postgres, Redis};
use serde_json::json;

use crate::node::{Node, abide, finish};

#[test]
fn a_store_is_created_brought_up_to_date_checked_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finish(abide(folder.path()).args(arguments).arg("--json"));
    assert_eq!(run(&["store", "status"]).code, 1);
    assert_eq!(run(&["store", "init"]).value()["shards"], 4096);
    assert!(folder.path().join("data/abide.db").is_file());
    assert_eq!(run(&["store", "init"]).code, 0);
    assert_eq!(run(&["store", "migrate"]).code, 0);
    assert_eq!(run(&["store", "verify"]).value()["sound"], true);
    assert_eq!(run(&["store", "status"]).value()["objects"], json!([]));
    assert_eq!(run(&["store", "status", "sqlite:elsewhere.db"]).code, 1);
}

#[test]
fn a_store_is_counted_and_checked_while_a_node_runs_on_it() {
    let node = Node::start();
    node.json(&["call", "Counter", "a", "increment"]);
    node.json(&["call", "Counter", "b", "increment"]);
    node.json(&["call", "RateLimiter", "me", "take"]);
    let status = node.json(&["store", "status", &node.store()]);
    assert_eq!(status["objects"], json!([["Counter", 2], ["RateLimiter", 1]]));
    assert_eq!((&status["changes"], &status["alarms"]), (&json!(3), &json!(1)));
    assert_eq!(node.json(&["store", "verify", &node.store()])["faults"], json!([]));
    assert!(node.run(&["store", "status"]).text().contains("Counter objects"));
    assert_eq!(node.run(&["store", "migrate", &node.store()]).code, 1);
    let there = node.run(&["store", "init", &node.store()]);
    assert!(there.text().contains("is there already, and a node is running on it"), "{there:?}");
    assert_eq!(node.json(&["get", "Counter", "a"])["seq"], 1, "the node goes on");
}

#[test]
fn a_backup_made_while_calls_go_on_is_restored_as_it_was() {
    let mut node = Node::start();
    node.json(&["call", "Counter", "visits", "increment", "7"]);
    let backup = node.json(&["backup", "copy.db"]);
    assert!(backup["bytes"].as_u64().unwrap() > 0);
    node.json(&["call", "Counter", "visits", "increment", "100"]);
    assert_eq!(node.run(&["backup", "copy.db"]).code, 1);
    assert_eq!(node.run(&["restore", "copy.db", "--force"]).code, 1, "a node is running on the store");
    assert_eq!(node.json(&["get", "Counter", "visits"])["state"]["count"], 107);

    node.kill();
    assert_eq!(node.run(&["restore", "copy.db"]).code, 1, "there is a store already");
    node.json(&["restore", "copy.db", "--force"]);
    node.restart();
    assert_eq!(node.json(&["get", "Counter", "visits"])["state"]["count"], 7);
    assert_eq!(node.json(&["backup", "copy.db", "--force"])["file"], "copy.db");
    assert_eq!(node.json(&["restore", "copy.db", "--store", "sqlite:new/here.db"])["store"], "sqlite:new/here.db");
    assert_eq!(node.json(&["store", "verify", "sqlite:new/here.db"])["sound"], true);
}

#[test]
fn a_backup_that_is_none_replaces_nothing() {
    let mut node = Node::start();
    node.json(&["call", "Counter", "visits", "increment", "7"]);
    node.kill();
    std::fs::write(node.path("note.txt"), "this is no database, and long enough to be looked at").unwrap();
    for file in ["note.txt", "nowhere.db"] {
        let done = node.run(&["restore", file, "--force"]);
        assert_eq!(done.code, 1, "{done:?}");
    }
    let left: Vec<_> = std::fs::read_dir(node.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("restoring")), "{left:?}");
    node.restart();
    assert_eq!(node.json(&["get", "Counter", "visits"])["state"]["count"], 7);
}

#[test]
fn a_store_in_postgres_is_counted_while_a_node_runs_on_it() {
    let server = Postgres::start().unwrap();
    counted(&server.url().replace("postgres@", "postgres:secret@"));
}

#[test]
fn a_store_in_redis_is_counted_while_a_node_runs_on_it() {
    counted(&Redis::start().unwrap().url());
}

fn counted(url: &str) {
    let node = Node::start_on(Some(url));
    node.json(&["call", "Counter", "a", "increment"]);
    node.json(&["call", "RateLimiter", "me", "take"]);
    let status = node.json(&["store", "status", url]);
    assert_eq!(status["objects"], json!([["Counter", 1], ["RateLimiter", 1]]));
    assert_eq!((&status["changes"], &status["alarms"]), (&json!(2), &json!(1)));
    assert_eq!(node.json(&["call", "Counter", "a", "increment"])["seq"], 2, "the node goes on");
    assert_eq!(node.run(&["store", "status", "memory:"]).code, 2);
}

#[test]
fn a_password_of_a_store_is_in_no_banner() {
    let server = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = abide(folder.path());
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", "debug"]);
    command.env("ABIDE_STORE", server.url().replace("postgres@", "postgres:s3cr3t@"));
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut banner = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut banner).unwrap();
    process.kill().unwrap();
    let said = String::from_utf8(process.wait_with_output().unwrap().stderr).unwrap();
    assert!(banner.contains("postgres://postgres:***@127.0.0.1"), "{banner}");
    assert!(!said.is_empty() && !said.contains("s3cr3t"), "{said}");
}

#[test]
fn a_node_in_memory_does_not_say_that_it_keeps_anything() {
    let folder = tempfile::tempdir().unwrap();
    for (store, kept) in [("memory:", "nothing is kept"), ("sqlite:a.db", "what was answered is kept")] {
        let mut command = abide(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.find(|line| line.contains("Ctrl-C stops it"));
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(said.as_ref().is_some_and(|line| line.contains(kept)), "{store}: {said:?}");
    }
}

#[test]
fn a_password_of_a_store_is_not_printed_by_what_moves_stores() {
    let server = Postgres::start().unwrap();
    let url = server.url().replace("postgres@", "postgres:s3cr3t@");
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finish(abide(folder.path()).args(arguments));
    assert_eq!(run(&["store", "init"]).code, 0);
    assert_eq!(run(&["backup", "all.abide"]).code, 0);
    for arguments in [
        &["restore", "all.abide", "--store", &url][..],
        &["restore", "all.abide", "--store", &url, "--replace", "--json"],
        &["store", "copy", "sqlite:data/abide.db", &url, "--replace"],
        &["store", "copy", "sqlite:data/abide.db", &url, "--replace", "--json"],
    ] {
        let done = run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains("postgres:***@") && !done.err.contains("s3cr3t"), "{done:?}");
        assert!(!done.out.contains("s3cr3t"), "{done:?}");
    }
}
