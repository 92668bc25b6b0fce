use std::sync::Arc;

use abide_core::{Epoch, FeedPosition, port::store::Committed};
use abide_store::{
    SqliteOptions, SqliteStore,
    contract::fixture::{Owner, json, key},
};

use super::options;

fn shared(path: &std::path::Path) -> Arc<SqliteStore> {
    let options = SqliteOptions { exclusive: false, ..options() };
    Arc::new(SqliteStore::open(path, options).unwrap())
}

#[tokio::test]
async fn a_claim_through_another_handle_fences_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let (first, second) = (shared(&path), shared(&path));
    let a = key("a");
    let old = Owner::claim(first).await;
    old.done(vec![old.put(&a, 0)]).await;
    let new = Owner::claim(second).await;
    let current = Epoch::new(2);
    assert_eq!(old.commit(vec![old.put(&a, 1)]).await, [Committed::Fenced { current }]);
    new.done(vec![new.put(&a, 1)]).await;
    assert_eq!(old.head(&a).await, 2);
}

#[tokio::test]
async fn what_a_handle_remembers_is_dropped_when_another_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let (first, second) = (shared(&path), shared(&path));
    let one = Owner::claim(first).await;
    let two = Owner::claim(second).await;
    let one = Owner::claim(one.store.clone()).await;
    drop(two);
    let third = Arc::new(SqliteStore::open(&path, SqliteOptions { exclusive: false, ..options() }).unwrap());
    for n in 0..20 {
        let key = key(&n.to_string());
        one.done(vec![one.put(&key, 0)]).await;
        // The same epoch, through another handle: places and heads moved behind the first one's back.
        let mut commit = one.put(&key, 1);
        commit.id = 1_000 + n;
        let answer = abide_core::Store::commit(&*third, vec![commit]).await.unwrap();
        assert_eq!(answer, [Committed::Done]);
        let head = abide_core::Seq::new(2);
        assert_eq!(one.commit(vec![one.put(&key, 1)]).await, [Committed::Conflict { head }]);
        one.done(vec![one.put(&key, 2)]).await;
    }
    assert_eq!(one.store.verify(9).await.unwrap(), Vec::<String>::new());
    let feed = one.store.feed(None, FeedPosition::ZERO, 99).await.unwrap();
    assert_eq!(feed.entries.len(), 60);
}

#[tokio::test]
async fn dropping_a_store_waits_for_what_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let owner = super::owner(&path).await;
    for head in 0..500 {
        drop(owner.store.commit(vec![owner.put(&key("a"), head)]));
    }
    drop(owner);
    assert_eq!(super::owner(&path).await.head(&key("a")).await, 500);
}

#[tokio::test]
async fn more_batches_than_may_wait_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { waiting_max: 4, ..options() };
    let store = SqliteStore::open(folder.path().join("abide.db"), options).unwrap();
    let owner = Owner::claim(Arc::new(store)).await;
    let calls: Vec<_> = (0..2_000).map(|n| owner.store.commit(vec![owner.put(&key(&n.to_string()), 0)])).collect();
    let mut refused = 0;
    for (n, call) in calls.into_iter().enumerate() {
        let answers = call.await;
        let head = owner.head(&key(&n.to_string())).await;
        match answers {
            Ok(answers) => assert_eq!((answers, head), (vec![Committed::Done], 1)),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("nothing was changed"), "{error}");
                assert_eq!(head, 0);
            }
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_fails_alone_although_it_shares_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let owner = super::owner(folder.path().join("abide.db")).await;
    let mut calls = Vec::new();
    for n in 0..50 {
        let mut commit = owner.put(&key(&n.to_string()), 0);
        if n == 30 {
            // Two changes of one seq: no log can hold them.
            commit.changes[0].snapshot = Some(json("{}"));
            commit.changes.push(commit.changes[0].clone());
        }
        calls.push(owner.store.commit(vec![commit]));
    }
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.is_ok(), n != 30, "batch {n}");
        assert_eq!(owner.head(&key(&n.to_string())).await, u64::from(n != 30));
    }
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}
