use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use abide_core::Store;
use abide_store::{
    BackupError, SqliteStore,
    contract::fixture::{Owner, key},
};

use super::{open, options};

#[tokio::test]
async fn a_backup_of_a_store_in_use_is_a_whole_store_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("abide.db"), options()).unwrap());
    let owner = Arc::new(Owner::claim(store.clone()).await);
    for head in 0..20 {
        let batch = (0..200).map(|n| owner.put(&key(&n.to_string()), head)).collect();
        owner.done(batch).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let to = folder.path().join("backup.db");
    let before = owner.head(&key("0")).await;
    let copying = {
        let (store, stop, to) = (store.clone(), stop.clone(), to.clone());
        tokio::task::spawn_blocking(move || {
            let mut reports = Vec::new();
            store.backup(&to, |done, total| reports.push((done, total))).unwrap();
            stop.store(true, Ordering::Relaxed);
            reports
        })
    };
    let mut after = before;
    while !stop.load(Ordering::Relaxed) {
        // Both in one batch: a moment between them does not exist.
        owner.done(vec![owner.put(&key("0"), after), owner.put(&key("1"), after)]).await;
        after += 1;
    }
    let reports = copying.await.unwrap();
    let (done, total) = reports.last().unwrap();
    assert!(done == total && *total > 100, "{reports:?}");

    let copy = Owner::claim(Arc::new(open(&to))).await;
    let heads = (copy.head(&key("0")).await, copy.head(&key("1")).await);
    assert_eq!(heads.0, heads.1);
    assert!((before..=after).contains(&heads.0), "{before} <= {} <= {after}", heads.0);
    assert_eq!(copy.store.verify(9).await.unwrap(), Vec::<String>::new());
    copy.done(vec![copy.put(&key("0"), heads.0)]).await;
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("abide.db"));
    let there = folder.path().join("there.db");
    std::fs::write(&there, "something").unwrap();
    let error = store.backup(&there, |_, _| {}).unwrap_err();
    assert_eq!(error, BackupError::Exists { path: there.clone() });
    assert_eq!(std::fs::read(there).unwrap(), b"something");
    let nowhere = folder.path().join("no/such/folder/backup.db");
    let error = store.backup(&nowhere, |_, _| {}).unwrap_err();
    assert!(matches!(error, BackupError::Failed { .. }), "{error}");
    assert!(!nowhere.exists());
}
