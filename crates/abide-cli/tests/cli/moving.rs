//! Backups, restores and copies, by people who are interrupted.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use abide::store::{
    MemoryStore,
    contract::fixture::{Owner, key},
    transfer::back_up,
};
use abide_services::Postgres;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::node::{Done, Node, abide, eventually, finish};

/// How many objects a backup has that takes a while to restore.
const MANY: u64 = 8_000;

fn run(folder: &TempDir, arguments: &[&str]) -> Done {
    finish(abide(folder.path()).args(arguments))
}

fn value(folder: &TempDir, arguments: &[&str]) -> Value {
    let done = run(folder, &[arguments, &["--json"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    done.value()
}

/// A backup of many objects.
fn large(file: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let memory = MemoryStore::new(8);
        let owner = Owner::claim(Arc::new(memory.clone())).await;
        owner.done((0..MANY).map(|n| owner.put(&key(&format!("{n:0300}")), 0)).collect()).await;
        back_up(&memory, file, false, |_| {}).await.unwrap();
    });
}

/// A command under way.
fn start(folder: &TempDir, arguments: &[&str]) -> Child {
    let mut command = abide(folder.path());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn grown(file: &Path, bytes: u64) {
    eventually("the file to grow", || file.metadata().is_ok_and(|file| file.len() > bytes).then_some(()));
}

#[test]
fn a_restore_that_is_interrupted_or_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder.path().join("backup"));
    let restore = ["restore", "backup", "--store", "sqlite:data/a.db"];
    let growing = folder.path().join("data/a.db.restoring-wal");

    let process = start(&folder, &restore);
    grown(&growing, 2 << 20);
    let told = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(told.success());
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("repeat the command"), "{said}");
    let after_one = part(&folder);

    let mut process = start(&folder, &restore);
    grown(&growing, 1 << 20);
    process.kill().unwrap();
    process.wait().unwrap();
    let after_two = part(&folder);
    assert!(0 < after_one && after_one < after_two && after_two < 2 * MANY, "{after_one} {after_two}");
    assert!(!folder.path().join("data/a.db").exists());

    let restored = value(&folder, &restore);
    assert_eq!((&restored["went_on_at_row"], &restored["holds"]["objects"]), (&json!(after_two), &json!(MANY)));
    let verified = value(&folder, &["store", "verify", "sqlite:data/a.db", "--backup", "backup"]);
    assert_eq!((&verified["sound"], &verified["holds"]), (&json!(true), &restored["holds"]));
    let left: Vec<_> = fs::read_dir(folder.path().join("data")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("restoring")), "{left:?}");
}

/// How many rows of an unfinished restore are in.
fn part(folder: &TempDir) -> u64 {
    let status = value(folder, &["store", "status", "sqlite:data/a.db.restoring"]);
    assert!(status["importing"]["source"].as_str().unwrap().starts_with("the backup "), "{status}");
    status["importing"]["rows"].as_u64().unwrap()
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_that_is_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder.path().join("backup"));
    value(&folder, &["restore", "backup", "--store", "sqlite:a.db"]);
    let backup = ["backup", "again", "--store", "sqlite:a.db", "--force"];
    let (again, partial) = (folder.path().join("again"), folder.path().join("again.partial"));
    let expected = value(&folder, &["restore", "backup", "--check"])["holds"].clone();
    for _ in 0..4 {
        let mut process = start(&folder, &backup);
        while !partial.exists() && process.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!again.exists() || value(&folder, &["restore", "again", "--check"])["holds"] == expected);
        assert!(!partial.exists() || run(&folder, &["restore", "again.partial", "--check"]).code == 1);
    }
    fs::write(&partial, "what a backup left that was killed").unwrap();
    assert_eq!(value(&folder, &backup)["holds"], expected);
    assert!(!partial.exists());
}

#[test]
fn a_store_goes_to_a_file_and_to_other_stores_and_a_node_serves_each() {
    let mut node = Node::start();
    for n in 0..5 {
        node.json(&["call", "Counter", &format!("c{n}"), "increment", "3"]);
    }
    node.json(&["call", "RateLimiter", "me", "take"]);
    node.json(&["rm", "Counter", "c4"]);
    let backup = node.json(&["backup", "backup"]);
    assert_eq!((&backup["backup"]["one_moment"], &backup["holds"]["objects"]), (&json!(true), &json!(6)));
    node.kill();
    let copied = node.json(&["store", "copy", &node.store(), "sqlite:copied.db"]);
    assert_eq!(copied["holds"], backup["holds"]);
    let again = node.json(&["backup", "again", "--store", "sqlite:copied.db"]);
    assert_eq!(again["holds"], backup["holds"]);
    node.json(&["restore", "again", "--store", &node.store(), "--replace"]);
    node.restart();
    assert_eq!(node.json(&["get", "Counter", "c3"])["state"]["count"], 3);
    assert_eq!(node.json(&["call", "Counter", "c3", "increment"])["seq"], 2);
    assert_eq!(node.json(&["alarms", "RateLimiter", "me"])["alarms"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_a_store_holds_is_kept_unless_it_is_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder.path().join("backup"));
    value(&folder, &["store", "init", "sqlite:empty.db"]);
    let empty = value(&folder, &["backup", "nothing", "--store", "sqlite:empty.db"]);
    assert_eq!(empty["holds"]["rows"], 0);
    value(&folder, &["restore", "backup", "--store", "sqlite:empty.db"]);
    let before = value(&folder, &["store", "verify", "sqlite:empty.db"]);
    for refused in [
        &["restore", "nothing", "--store", "sqlite:empty.db"][..],
        &["store", "copy", "sqlite:empty.db", "sqlite:empty.db"],
    ] {
        let done = run(&folder, refused);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains("--replace"), "{done:?}");
    }
    assert_eq!(value(&folder, &["store", "verify", "sqlite:empty.db"]), before);
    let other = run(&folder, &["store", "verify", "sqlite:empty.db", "--backup", "nothing"]);
    assert_eq!(other.code, 1);
    assert!(other.out.contains("does not hold what the backup nothing holds"), "{other:?}");
    value(&folder, &["restore", "nothing", "--store", "sqlite:empty.db", "--replace"]);
    assert_eq!(value(&folder, &["store", "verify", "sqlite:empty.db"])["holds"]["rows"], 0);
}

#[test]
fn what_is_no_backup_is_said_and_nothing_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    value(&folder, &["store", "init", "sqlite:a.db"]);
    value(&folder, &["backup", "backup", "--store", "sqlite:a.db"]);
    let sound = fs::read(folder.path().join("backup")).unwrap();
    let newer: Vec<u8> = sound.iter().enumerate().map(|(place, byte)| if place == 8 { 9 } else { *byte }).collect();
    let flipped: Vec<u8> =
        sound.iter().enumerate().map(|(place, byte)| if place == 40 { byte ^ 1 } else { *byte }).collect();
    for (file, bytes, says) in [
        ("empty", &b""[..], "it is empty"),
        ("text", b"hello, this is a text and no backup", "not a backup"),
        ("newer", &newer, "format version 9"),
        ("flipped", &flipped, "damaged"),
        ("cut", &sound[..sound.len() - 1], "ends in the middle"),
    ] {
        fs::write(folder.path().join(file), bytes).unwrap();
        for arguments in [&["restore", file, "--store", "sqlite:new.db"][..], &["restore", file, "--check"]] {
            let done = run(&folder, arguments);
            assert_eq!(done.code, 1, "{done:?}");
            assert!(done.err.contains(says), "{done:?}");
        }
    }
    let done = run(&folder, &["restore", "a.db", "--store", "sqlite:new.db"]);
    assert!(done.err.contains("abide store copy sqlite:a.db"), "{done:?}");
    let done = run(&folder, &["restore", "nowhere", "--store", "sqlite:new.db"]);
    assert!(done.code == 1 && done.err.contains("No such file"), "{done:?}");
    let made = fs::read_dir(folder.path()).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        name.starts_with("new.db") && name != "new.db.lock"
    });
    assert!(!made);
    assert_eq!(run(&folder, &["backup", "to", "--store", "sqlite:nowhere.db"]).code, 1);
    assert_eq!(run(&folder, &["backup", "to", "--store", "memory:"]).code, 2);
    assert_eq!(run(&folder, &["restore", "backup", "--store", "memory:"]).code, 2);
}

#[test]
fn a_store_goes_to_postgres_and_back_and_a_node_serves_it_there() {
    let server = Postgres::start().unwrap();
    goes_there_and_back(&server.url());
}

fn goes_there_and_back(url: &str) {
    let mut node = Node::start();
    for n in 0..5 {
        node.json(&["call", "Counter", &format!("c{n}"), "increment", "3"]);
    }
    node.json(&["call", "RateLimiter", "me", "take"]);
    node.json(&["rm", "Counter", "c4"]);
    node.kill();
    let backup = node.json(&["backup", "backup"]);
    assert_eq!(node.json(&["restore", "backup", "--store", url])["holds"], backup["holds"]);
    assert_eq!(node.run(&["restore", "backup", "--store", url]).code, 1, "it holds something now");
    assert_eq!(node.json(&["store", "verify", url, "--backup", "backup"])["sound"], true);
    assert_eq!(node.json(&["store", "copy", url, "sqlite:back.db"])["holds"], backup["holds"]);
    assert_eq!(node.json(&["store", "copy", "sqlite:back.db", url, "--replace"])["holds"], backup["holds"]);
    node.json(&["backup", "again", "--store", url]);
    assert_eq!(node.json(&["restore", "again", "--check"])["holds"], backup["holds"]);

    let node = Node::start_on(Some(url));
    assert_eq!(node.json(&["get", "Counter", "c3"])["state"]["count"], 3);
    assert_eq!(node.json(&["call", "Counter", "c3", "increment"])["seq"], 2);
    assert_eq!(node.json(&["call", "Counter", "c4", "increment"])["seq"], 3, "after its two in its first life");
    assert_eq!(node.json(&["backup", "live", "--store", url])["holds"]["objects"], json!(6));
}

#[test]
fn a_restore_into_postgres_that_is_killed_goes_on_where_it_was() {
    let server = Postgres::start().unwrap();
    goes_on(&server.url());
}

fn goes_on(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    large(&folder.path().join("backup"));
    value(&folder, &["store", "init", url]);
    let restore = ["restore", "backup", "--store", url];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(abide::store::open_existing(url)).unwrap();
    let rows = || runtime.block_on(store.status()).unwrap().importing.map_or(0, |importing| importing.rows);
    let mut process = start(&folder, &restore);
    while rows() == 0 && process.try_wait().unwrap().is_none() {}
    process.kill().unwrap();
    process.wait().unwrap();
    let there = rows();
    assert!(there > 0, "it was killed too early, or too late");
    let served = finish(abide(folder.path()).args(["serve", "--listen", "127.0.0.1:0", "--store", url]));
    assert!(served.code == 1 && served.err.contains("not whole"), "{served:?}");
    let verified = finish(abide(folder.path()).args(["store", "verify", url]));
    assert!(verified.code == 1 && verified.out.lines().all(|line| line.contains("not whole")), "{verified:?}");
    assert!(
        verified.err.contains("1 fault found") && verified.err.contains("repeat the `abide restore`"),
        "{verified:?}"
    );
    let restored = value(&folder, &restore);
    assert!(restored["went_on_at_row"].as_u64().unwrap() >= there, "{restored}");
    assert_eq!(value(&folder, &["store", "verify", url, "--backup", "backup"])["sound"], true);
}
