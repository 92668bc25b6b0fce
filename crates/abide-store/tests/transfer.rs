//! Whole stores on their way: into files, out of them, and into each other.
#![cfg(all(feature = "archive", feature = "sqlite"))]

use std::{fs, path::Path, sync::Arc};

use abide_core::{Store, StoreError};
use abide_store::{
    MemoryStore, SqliteOptions, SqliteStore,
    archive::ArchiveError,
    contract::{
        fixture::{Owner, key},
        full::{reference, same, sorted},
    },
    transfer::{Progress, TransferError, back_up, check, copy, restore, tally},
};
use tempfile::TempDir;
use tokio::sync::Notify;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn sqlite(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default()).unwrap()
}

/// So many objects of a few hundred bytes, each with a change.
async fn many(objects: u64) -> MemoryStore {
    let memory = MemoryStore::new(8);
    let owner = Owner::claim(Arc::new(memory.clone())).await;
    owner.done((0..objects).map(|n| owner.put(&key(&format!("{n:0300}")), 0)).collect()).await;
    memory
}

#[tokio::test]
async fn a_store_goes_through_files_and_other_stores_and_stays_the_same() {
    let folder = folder();
    let memory = reference(64).await;
    let expected = sorted(&memory).await;
    let (one, two) = (folder.path().join("sub/one.abide"), folder.path().join("two.abide"));
    let made = back_up(&memory, &one, false, |_| {}).await.unwrap();
    assert_eq!(made.bytes, one.metadata().unwrap().len());
    let first = sqlite(&folder.path().join("a.db"));
    let restored = restore(&one, &first, false, |_| {}).await.unwrap();
    assert_eq!((restored.tally, restored.from, restored.about), (made.tally, 0, made.about));
    let second = sqlite(&folder.path().join("b.db"));
    assert_eq!(copy(&first, &second, false, |_| {}).await.unwrap().tally, made.tally);
    assert_eq!(back_up(&second, &two, false, |_| {}).await.unwrap().tally, made.tally);
    let last = MemoryStore::new(3);
    restore(&two, &last, false, |_| {}).await.unwrap();
    same(&sorted(&last).await, &expected);
    for store in [&first as &dyn Store, &second, &last] {
        assert_eq!(tally(store, |_| {}).await.unwrap(), made.tally);
        assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_backup_is_of_one_moment_while_the_store_is_written() {
    let folder = folder();
    let store: Arc<dyn Store> = Arc::new(sqlite(&folder.path().join("a.db")));
    copy(&many(6_000).await, &*store, false, |_| {}).await.unwrap();
    let owner = Owner::claim(store.clone()).await;
    let file = folder.path().join("backup");
    let mut written = 0;
    {
        let backup = back_up(&*store, &file, false, |_| {});
        tokio::pin!(backup);
        loop {
            // Two objects change together, always.
            let pair = [key(&format!("{:0300}", 0)), key(&format!("{:0300}", 5_999))];
            let both = pair.iter().map(|key| owner.put(key, 1 + written)).collect();
            tokio::select! {
                made = &mut backup => break assert!(made.unwrap().about.one_moment),
                () = owner.done(both) => written += 1,
            }
        }
    }
    assert!(written > 1, "{written}");
    let restored = MemoryStore::new(1);
    restore(&file, &restored, false, |_| {}).await.unwrap();
    assert_eq!(restored.verify(9).await.unwrap(), Vec::<String>::new());
    let restored = Owner::claim(Arc::new(restored)).await;
    let heads =
        (restored.head(&key(&format!("{:0300}", 0))).await, restored.head(&key(&format!("{:0300}", 5_999))).await);
    assert_eq!(heads.0, heads.1);
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten_unasked() {
    let folder = folder();
    let (memory, file) = (reference(4).await, folder.path().join("backup"));
    fs::write(&file, "mine").unwrap();
    let refused = back_up(&memory, &file, false, |_| {}).await;
    assert_eq!(refused, Err(TransferError::Exists { path: file.clone() }));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    back_up(&memory, &file, true, |_| {}).await.unwrap();
    let full = many(3).await;
    let before = sorted(&full).await;
    for refused in
        [restore(&file, &full, false, |_| {}).await.map(drop), copy(&memory, &full, false, |_| {}).await.map(drop)]
    {
        let Err(TransferError::Target(StoreError::Unsupported(text))) = refused else { panic!("{refused:?}") };
        assert!(text.contains("holds something"), "{text}");
    }
    same(&sorted(&full).await, &before);
    restore(&file, &full, true, |_| {}).await.unwrap();
    same(&sorted(&full).await, &sorted(&memory).await);
    let twin = memory.clone();
    assert!(matches!(copy(&memory, &twin, true, |_| {}).await, Err(TransferError::Same { .. })));
}

#[tokio::test]
async fn two_backups_to_one_path_never_write_into_each_other() {
    let folder = folder();
    let (file, partial) = (folder.path().join("backup"), folder.path().join("backup.partial"));
    let (memory, small) = (many(20_000).await, reference(4).await);
    let moved = Notify::new();
    let first = back_up(&memory, &file, true, |_| moved.notify_one());
    tokio::pin!(first);
    tokio::select! {
        done = &mut first => panic!("it was over before another began: {done:?}"),
        () = moved.notified() => {}
    }
    for replace in [false, true] {
        let second = back_up(&small, &file, replace, |_| {}).await;
        assert_eq!(second, Err(TransferError::Busy { path: file.clone() }));
    }
    let made = first.await.unwrap();
    assert_eq!(check(&file, |_| {}).await.unwrap(), (made.about, made.tally));
    assert!(!partial.exists());

    // What a process left that was killed is in nobody's way.
    fs::write(&partial, vec![7; 1 << 20]).unwrap();
    let made = back_up(&small, &file, true, |_| {}).await.unwrap();
    assert_eq!(check(&file, |_| {}).await.unwrap(), (made.about, made.tally));
    assert!(!partial.exists());
}

#[tokio::test]
async fn what_comes_to_its_path_while_a_backup_is_written_stays() {
    let folder = folder();
    let file = folder.path().join("backup");
    let progress = |_| fs::write(&file, "mine").unwrap();
    let refused = back_up(&many(50).await, &file, false, progress).await;
    assert_eq!(refused, Err(TransferError::Exists { path: file.clone() }));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let folder = folder();
    let (file, store) = (folder.path().join("backup"), sqlite(&folder.path().join("a.db")));
    let before = many(50).await;
    copy(&before, &store, false, |_| {}).await.unwrap();
    let id = store.status().await.unwrap().id;
    back_up(&many(3_000).await, &file, false, |_| {}).await.unwrap();
    let sound = fs::read(&file).unwrap();
    for place in [0, 9, 30, sound.len() / 2, sound.len() - 1] {
        let mut damaged = sound.clone();
        damaged[place] ^= 4;
        fs::write(&file, damaged).unwrap();
        let refused = restore(&file, &store, true, |_| {}).await;
        assert!(matches!(refused, Err(TransferError::Backup { .. })), "{refused:?}");
    }
    fs::write(&file, &sound[..sound.len() - 1]).unwrap();
    let refused = restore(&file, &store, true, |_| {}).await;
    let Err(TransferError::Backup { error: ArchiveError::Damaged { .. }, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(store.status().await.unwrap().id, id);
    same(&sorted(&store).await, &sorted(&before).await);
}

#[tokio::test]
async fn a_restore_that_is_dropped_goes_on_where_it_was() {
    let folder = folder();
    let (file, path) = (folder.path().join("backup"), folder.path().join("a.db"));
    let memory = many(6_000).await;
    let made = back_up(&memory, &file, false, |_| {}).await.unwrap();
    let mut reached = Vec::new();
    for _ in 0..2 {
        let (store, enough) = (sqlite(&path), Notify::new());
        let mut moved = 0;
        let note = |progress| {
            if let Progress::Moved { done, .. } = progress {
                moved = done;
                enough.notify_one();
            }
        };
        tokio::select! {
            done = restore(&file, &store, false, note) => panic!("nobody stopped it: {done:?}"),
            () = enough.notified() => {}
        }
        reached.push(moved);
    }
    assert!(0 < reached[0] && reached[0] < reached[1], "{reached:?}");
    let store = sqlite(&path);
    assert!(store.claim().await.is_err());
    let restored = restore(&file, &store, false, |_| {}).await.unwrap();
    assert!(reached[1] <= restored.from && restored.from < made.tally.rows(), "{reached:?} {}", restored.from);
    same(&sorted(&store).await, &sorted(&memory).await);
    assert!(!folder.path().join("backup.partial").exists());
}

#[tokio::test]
async fn a_copy_that_is_dropped_begins_again_and_leaves_nothing_of_before() {
    let folder = folder();
    let (from, to) = (sqlite(&folder.path().join("a.db")), sqlite(&folder.path().join("b.db")));
    copy(&many(6_000).await, &from, false, |_| {}).await.unwrap();
    let enough = Notify::new();
    tokio::select! {
        done = copy(&from, &to, false, |_| enough.notify_one()) => panic!("nobody stopped it: {done:?}"),
        () = enough.notified() => {}
    }
    assert!(to.status().await.unwrap().importing.is_some());
    let owner = Owner::claim(Arc::new(from)).await;
    owner.done(vec![owner.delete(&key(&format!("{:0300}", 3)), 1)]).await;
    copy(&*owner.store, &to, false, |_| {}).await.unwrap();
    same(&sorted(&to).await, &sorted(&*owner.store).await);
    to.claim().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_stops_a_restore_that_goes_on_when_there_is_room() {
    let folder = folder();
    let (file, path) = (folder.path().join("backup"), folder.path().join("a.db"));
    let memory = many(6_000).await;
    back_up(&memory, &file, false, |_| {}).await.unwrap();
    let small = SqliteOptions { bytes_max: Some(3 << 20), ..SqliteOptions::default() };
    let store = SqliteStore::open(&path, small).unwrap();
    let stopped = restore(&file, &store, false, |_| {}).await;
    assert!(matches!(stopped, Err(TransferError::Target(StoreError::Full(_)))), "{stopped:?}");
    drop(store);
    let store = sqlite(&path);
    let restored = restore(&file, &store, false, |_| {}).await.unwrap();
    assert!(restored.from > 0);
    same(&sorted(&store).await, &sorted(&memory).await);
}
