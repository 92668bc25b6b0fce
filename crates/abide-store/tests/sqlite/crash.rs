use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use abide_core::{Epoch, port::store::Committed};
use abide_store::{OpenError, SqliteStore, contract::fixture::key};

use super::{options, owner};

const CHILD: &str = "ABIDE_TEST_CRASH_CHILD";
const OBJECTS: u64 = 50;

/// The child's life: commits for ever, and says on its output what was reported done.
async fn commit_until_killed(path: &Path) {
    let owner = owner(path).await;
    let mut heads = BTreeMap::new();
    for object in 0..OBJECTS {
        heads.insert(object, owner.head(&key(&object.to_string())).await);
    }
    let mut output = std::io::stdout().lock();
    for turn in 0u64.. {
        let objects = (turn % 7..OBJECTS).step_by(1 + (turn % 5) as usize);
        let batch = objects.clone().map(|object| owner.put(&key(&object.to_string()), heads[&object]));
        let answers = owner.commit(batch.collect()).await;
        assert!(answers.iter().all(|answer| *answer == Committed::Done));
        for object in objects {
            *heads.get_mut(&object).unwrap() += 1;
            writeln!(output, "done {object} {}", heads[&object]).unwrap();
        }
        output.flush().unwrap();
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::a_killed_process_loses_nothing_it_reported", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child after it reported `lines` results; returns the head it last reported of each object.
fn kill_after(mut child: Child, lines: usize) -> BTreeMap<u64, u64> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut heads, mut read, mut line) = (BTreeMap::new(), 0, String::new());
    while output.read_line(&mut line).unwrap() > 0 {
        let words: Vec<_> = line.split_whitespace().collect();
        if let (["done", object, head], true) = (words.as_slice(), line.ends_with('\n')) {
            heads.insert(object.parse().unwrap(), head.parse().unwrap());
            read += 1;
            if read == lines {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(read >= lines, "the child ended by itself after {read} results");
    heads
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_reported() {
    if let Some(path) = std::env::var_os(CHILD) {
        return commit_until_killed(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    for round in 1..=5 {
        let reported = kill_after(spawn(&path), 997 * round);
        let owner = owner(&path).await;
        for (object, head) in reported {
            let found = owner.load(&key(&object.to_string())).await;
            let seq = found.head.number();
            assert!(seq >= head, "object {object}: {head} was reported done, {seq} is there");
            assert_eq!(found.state, Some(abide_store::contract::fixture::count(seq)));
        }
        assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
        let epochs = owner.store.claim().await.unwrap();
        assert_eq!(epochs[0], Epoch::new(3 * round as u64));
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let mut child = spawn(&path);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("done") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended by itself");
    }
    let error = SqliteStore::open(&path, options()).map(drop).unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(super::open(&path));
}
