use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use abide_core::{
    StoreError,
    port::store::{Commit, Write},
};
use abide_store::{
    OpenError, SqliteOptions, SqliteStore,
    contract::fixture::{Owner, at, json, key},
};
use tempfile::TempDir;

use super::{options, owner};

/// A commit whose state has so many bytes.
fn large(owner: &Owner, id: &str, bytes: usize) -> Commit {
    let write = Write::Put {
        state: json(&format!("\"{}\"", "x".repeat(bytes))),
        version: 1,
        created_at: at(0),
        updated_at: at(0),
    };
    Commit { write, ..owner.put(&key(id), 0) }
}

/// Fills the store with objects; returns how many fit.
async fn fill(owner: &Owner) -> u64 {
    for n in 0..10_000 {
        match owner.store.commit(vec![large(owner, &n.to_string(), 20_000)]).await {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, StoreError::Full(_)), "{error:?}");
                assert!(error.to_string().contains("nothing was changed; free some space"), "{error}");
                assert_eq!(owner.head(&key(&n.to_string())).await, 0);
                return n;
            }
        }
    }
    panic!("the disk was never full");
}

#[tokio::test]
async fn a_store_at_its_largest_size_says_so_and_goes_on_with_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let small = SqliteOptions { bytes_max: Some(2 << 20), ..options() };
    let owner = Owner::claim(Arc::new(SqliteStore::open(&path, small).unwrap())).await;
    owner.done(vec![owner.put(&key("small"), 0)]).await;
    let fit = fill(&owner).await;
    assert!(fit > 10, "only {fit} objects fit");
    owner.done(vec![owner.put(&key("small"), 1)]).await;
    owner.done(vec![owner.delete(&key("0"), 1)]).await;
    owner.done(vec![large(&owner, "fits again", 15_000)]).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    drop(owner);
    let owner = super::owner(&path).await;
    owner.done(vec![large(&owner, "fits now", 500_000)]).await;
}

/// A file system of its own. Only who may mount can have one; others get `None`.
struct Mounted(PathBuf, #[expect(dead_code, reason = "holds the folder")] TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let size = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], &path).then_some(Self(path, folder))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn mount(args: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(args).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_the_store_goes_on_once_there_is_space() {
    let Some(disk) = Mounted::new("8m") else {
        eprintln!("skipped: a file system cannot be mounted here");
        return;
    };
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 5 << 20]).unwrap();
    let path = disk.0.join("abide.db");
    let owner = owner(&path).await;
    let fit = fill(&owner).await;
    let again = owner.store.commit(vec![large(&owner, "more", 200_000)]).await;
    assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    fs::remove_file(&ballast).unwrap();
    owner.done(vec![large(&owner, "more", 20_000)]).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    drop(owner);
    let owner = super::owner(&path).await;
    assert_eq!(owner.head(&key("more")).await, 1);
    for n in 0..fit {
        assert_eq!(owner.head(&key(&n.to_string())).await, 1, "object {n} of {fit}");
    }
}

#[test]
fn a_store_that_cannot_be_written_does_not_open() {
    let Some(disk) = Mounted::new("4m") else {
        eprintln!("skipped: a file system cannot be mounted here");
        return;
    };
    let path = disk.0.join("abide.db");
    drop(super::open(&path));
    assert!(mount(&["-o", "remount,ro"], &disk.0));
    for exclusive in [true, false] {
        let options = SqliteOptions { exclusive, ..options() };
        let error = SqliteStore::open(&path, options).map(drop).unwrap_err();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains("must be writable"), "{error}");
    }
    let new = SqliteStore::open(disk.0.join("new/abide.db"), options()).map(drop).unwrap_err();
    assert!(matches!(new, OpenError::NotWritable { .. }), "{new}");
}

const LIMITED: &str = "ABIDE_TEST_LIMITED_CHILD";

/// The life of a child whose files may not grow beyond a limit: writes there fail as on a broken disk.
async fn commit_beyond_the_limit(path: &Path) {
    let owner = owner(path).await;
    let mut output = std::io::stdout().lock();
    for n in 0..60 {
        let bytes = if n % 3 == 2 { 10 } else { 50_000 };
        let outcome = match owner.store.commit(vec![large(&owner, &n.to_string(), bytes)]).await {
            Ok(_) => "done",
            Err(StoreError::Unavailable(_)) => "unchanged",
            Err(StoreError::Unknown(_)) => "unknown",
            Err(error) => panic!("object {n}: {error:?}"),
        };
        writeln!(output, "{outcome} {n}").unwrap();
    }
    output.flush().unwrap();
    // Closing would copy the log; a crash leaves it to whoever opens the store next.
    std::process::abort();
}

#[tokio::test]
async fn a_disk_fault_at_commit_is_settled_or_called_unknown() {
    if let Some(path) = std::env::var_os(LIMITED) {
        return commit_beyond_the_limit(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let name = "disk::a_disk_fault_at_commit_is_settled_or_called_unknown";
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(LIMITED, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(child.stdout).unwrap();
    let words = output.lines().filter_map(|line| line.split_once(' '));
    let outcomes: Vec<_> = words.filter(|(_, n)| n.parse::<u64>().is_ok()).collect();
    assert_eq!(outcomes.len(), 60, "{output}{}", String::from_utf8_lossy(&child.stderr));
    let owner = owner(&path).await;
    for (outcome, n) in &outcomes {
        let head = owner.head(&key(n)).await;
        match *outcome {
            "done" => assert_eq!(head, 1, "object {n} was done"),
            "unchanged" => assert_eq!(head, 0, "object {n} was not changed"),
            _ => assert!(head <= 1),
        }
    }
    let count = |wanted| outcomes.iter().filter(|(outcome, _)| *outcome == wanted).count();
    assert!(count("done") > 10 && count("unchanged") > 0 && count("unknown") > 0, "{outcomes:?}");
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}
