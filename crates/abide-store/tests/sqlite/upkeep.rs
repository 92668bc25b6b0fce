use std::sync::Arc;

use abide_core::{
    FeedPosition, Seq,
    port::store::{Commit, FeedEntry},
};
use abide_store::{
    SqliteOptions, SqliteStore,
    contract::fixture::{Owner, at, key},
};
use rusqlite::Connection;

use super::options;

fn rows(path: &std::path::Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    conn.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn clean_bounds_the_log_and_spares_what_is_still_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let options = SqliteOptions { feed_keep: 10, ..options() };
    let owner = Owner::claim(Arc::new(SqliteStore::open(&path, options).unwrap())).await;
    let (all, some, none) = (key("all"), key("some"), key("none"));
    for head in 0..300 {
        let trim = Some(Seq::new(head + 1).minus(5));
        let some = Commit { trim, ..owner.put(&some, head) };
        let none = Commit { keep_changes: false, ..owner.put(&none, head) };
        owner.done(vec![owner.put(&all, head), some, none]).await;
    }
    assert_eq!(rows(&path), 900);
    let mut removed = 0;
    for _ in 0..100 {
        let now = owner.store.clean(at(0), 50).await.unwrap();
        assert!(now <= 50);
        removed += now;
    }
    assert_eq!(removed, 900 - rows(&path).unsigned_abs());
    // Kept: all 300 of the one, 5 of the other, and the last 10 entries for the feed.
    assert!((305..=315).contains(&rows(&path)), "{} rows are left", rows(&path));
    assert_eq!(owner.seqs(&all, 0, 999).await, (1..=300).collect::<Vec<_>>());
    assert_eq!(owner.seqs(&some, 0, 999).await, (296..=300).collect::<Vec<_>>());

    let feed = owner.store.feed(None, FeedPosition::ZERO, 999).await.unwrap();
    assert_eq!(feed.floor.number(), 890);
    assert_eq!(feed.entries.len(), 10);
    assert_eq!(feed.entries.last().map(|entry: &FeedEntry| entry.last), Some(Seq::new(300)));
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    owner.done(vec![owner.put(&all, 300)]).await;
    assert_eq!(owner.store.feed(None, feed.next, 9).await.unwrap().entries.len(), 1);
}

/// What was needed when it was looked at may be dead later, and somebody writes all the time.
#[tokio::test]
async fn clean_bounds_the_log_also_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let options = SqliteOptions { feed_keep: 10, ..options() };
    let owner = Owner::claim(Arc::new(SqliteStore::open(&path, options).unwrap())).await;
    let keys: Vec<_> = (0..20).map(|n| key(&n.to_string())).collect();
    // Each keeps 30 changes or a few more: most of what is looked at first is still needed then.
    for head in 0..400 {
        let trim = (head % 10 == 0).then(|| Seq::new(head).minus(30));
        owner.done(keys.iter().map(|key| Commit { trim, ..owner.put(key, head) }).collect()).await;
        for _ in 0..10 {
            if owner.store.clean(at(0), 10).await.unwrap() < 10 {
                break;
            }
        }
        if head % 40 == 0 {
            assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
        }
    }
    let (there, needed) = (rows(&path), 20 * 40);
    assert!(there < 3 * needed, "{there} rows are left of 8,000, and {needed} are needed");
    assert_eq!(owner.seqs(&keys[0], 0, 999).await.last(), Some(&400));
}

#[tokio::test]
async fn a_long_log_is_read_from_any_place_through_its_marks() {
    let folder = tempfile::tempdir().unwrap();
    let owner = super::owner(folder.path().join("abide.db")).await;
    let a = key("a");
    for start in (0..5_000).step_by(500) {
        owner.done((start..start + 500).map(|head| owner.put(&a, head)).collect()).await;
    }
    for after in [0, 1, 62, 63, 64, 65, 2_500, 4_990, 4_999, 5_000] {
        for limit in [1, 3, 64, 200] {
            let expected: Vec<_> = (after + 1..=5_000).take(limit).collect();
            assert_eq!(owner.seqs(&a, after, limit).await, expected, "after {after}, limit {limit}");
        }
    }
}

#[tokio::test]
async fn a_deleted_object_leaves_no_text_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let owner = super::owner(&path).await;
    let a = key("a");
    owner.grow(&a, 130).await;
    owner.done(vec![owner.delete(&a, 130)]).await;
    let conn = Connection::open(&path).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM log WHERE body IS NOT NULL"), 0);
    assert_eq!(count("SELECT count(*) FROM marks"), 0);
    assert_eq!(count("SELECT count(*) FROM objects WHERE state IS NOT NULL"), 0);
}
