use std::{fs, path::Path};

use abide_core::{Store, port::store::Alarm};
use abide_store::{
    OpenError, SqliteOptions, SqliteStore,
    contract::fixture::{alarm, json, key},
};
use rusqlite::Connection;

use super::{open, options};

fn refusal(path: &Path) -> OpenError {
    SqliteStore::open(path, options()).map(drop).unwrap_err()
}

#[test]
fn a_new_store_makes_its_folder_and_remembers_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/abide.db");
    drop(open(&path));
    let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
    assert_eq!(store.shards(), 16);
    drop(store);
    let wanted = SqliteOptions { shards: Some(32), ..SqliteOptions::default() };
    let error = SqliteStore::open(&path, wanted).map(drop).unwrap_err();
    assert!(error.to_string().contains("created with 16 shards"), "{error}");
}

#[test]
fn a_file_that_must_be_there_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let options = SqliteOptions { create: false, ..options() };
    assert!(SqliteStore::open(&path, options).is_err());
    assert!(!path.exists());
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    drop(open(&path));
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let error = refusal(&path);
    assert_eq!(error, OpenError::NewerSchema { path, found: 99, known: 3 });
    assert!(error.to_string().contains("version 99") && error.to_string().contains("up to 3"));
}

#[tokio::test]
async fn a_store_of_the_first_schema_is_brought_up_to_date_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let owner = super::owner(&path).await;
    owner.grow(&key("a"), 3).await;
    owner.done(vec![owner.alarms(&key("a"), 3, vec![alarm("ring", 1)])]).await;
    let before = (owner.load(&key("a")).await, owner.store.status().await.unwrap().id);
    drop(owner);
    let conn = Connection::open(&path).unwrap();
    let first = "DROP TABLE indexes; ALTER TABLE alarms DROP COLUMN principal; DELETE FROM meta WHERE name = 'id';
        PRAGMA user_version = 1";
    conn.execute_batch(first).unwrap();
    drop(conn);
    let to_look = SqliteOptions { create: false, exclusive: false, ..options() };
    let looked = SqliteStore::open(&path, to_look).map(drop).unwrap_err();
    assert_eq!(looked, OpenError::OlderSchema { path: path.clone(), found: 1, known: 3 });
    let owner = super::owner(&path).await;
    let status = owner.store.status().await.unwrap();
    assert_eq!((owner.load(&key("a")).await, status.schema), (before.0, 3));
    assert_eq!(status.id.len(), 26);
    assert_ne!(status.id, before.1);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn alarms_of_a_store_from_before_they_had_principals_fire_on_behalf_of_nobody_until_set_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let owner = super::owner(&path).await;
    let a = key("a");
    let (old, theirs) = (alarm("old", 1), Alarm { principal: Some(json(r#"{"subject":"alice"}"#)), ..alarm("new", 2) });
    owner.done(vec![owner.alarms(&a, 0, vec![old.clone(), theirs.clone()])]).await;
    drop(owner);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("ALTER TABLE alarms DROP COLUMN principal; PRAGMA user_version = 2").unwrap();
    drop(conn);
    let owner = super::owner(&path).await;
    assert_eq!(owner.load(&a).await.alarms, [Alarm { principal: None, ..theirs.clone() }, old.clone()]);
    owner.done(vec![owner.alarms(&a, 1, vec![theirs.clone()])]).await;
    assert_eq!(owner.load(&a).await.alarms, [theirs, old]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "Dear diary, today I wrote more than sixteen bytes.").unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap().len(), 50);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(conn);
    let before = fs::read(&path).unwrap();
    let error = refusal(&path);
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_cut_short_is_damaged_not_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    drop(open(&path));
    let whole = fs::read(&path).unwrap();
    for length in [10, 100, 5_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let opened = SqliteStore::open(&path, options()).map(drop);
        assert!(
            matches!(opened, Err(OpenError::Damaged { .. } | OpenError::NotAStore { .. })),
            "cut to {length} bytes: {opened:?}"
        );
    }
}

#[test]
fn a_folder_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(folder.path());
    assert!(error.to_string().contains("it is a folder"), "{error}");
}

#[test]
fn a_store_that_is_open_is_locked_and_free_again_when_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let store = open(&path);
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    let sentence = error.to_string();
    for part in ["abide.db is open in another process", "abide.db.lock", "stop that process"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    drop(store);
    drop(open(&path));
}
