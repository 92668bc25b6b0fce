//! What a store gives of itself.

use std::collections::BTreeMap;

use abide_core::{Seq, Store, port::store::Row};

use super::{
    Subject,
    fixture::{Owner, key},
    full::{fill, in_any_order, reference, rows, same, sorted},
};

/// All that is in the store is in the export, to the last byte: the rows are those of the reference.
pub async fn what_is_exported_is_all_that_was_committed(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    assert_eq!(rows(&*owner.store, 9).await, []);
    fill(&owner).await;
    let expected = sorted(&reference(owner.store.shards()).await).await;
    same(&sorted(&*owner.store).await, &expected);
    drop(owner);
    same(&sorted(&*subject.open().await).await, &expected);
}

/// Pages have at most as many rows as asked for. However many that is, an object comes before what is its
/// own, its changes are dense from floor to head, and nothing is missing or there twice.
pub async fn pages_of_any_size_join_to_the_same_rows(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    fill(&owner).await;
    let expected = sorted(&reference(owner.store.shards()).await).await;
    for limit in [1, 7, 100_000] {
        let mut found = rows(&*owner.store, limit).await;
        in_order(&found);
        in_any_order(&mut found);
        same(&found, &expected);
    }
}

fn in_order(rows: &[Row]) {
    let mut last = BTreeMap::new();
    let mut heads = BTreeMap::new();
    for row in rows {
        match row {
            Row::Object(row) => {
                heads.insert(&row.key, row.head);
                assert_eq!(last.insert(&row.key, row.floor), None, "{} comes twice", row.key);
            }
            Row::Change { key, change } => {
                let last = last.get_mut(key).unwrap_or_else(|| panic!("a change comes before {key}"));
                assert_eq!(change.seq, last.next(), "{key}");
                *last = change.seq;
            }
            Row::Alarm { key, .. } | Row::Received { key, .. } | Row::Outcome { key, .. } => {
                assert!(last.contains_key(key), "something of {key} comes before it");
            }
            Row::Message(_) => {}
        }
    }
    assert_eq!(last, heads, "the changes of each object lead to its head");
}

/// Where an export says that it is of one moment, what is committed after it began is not in it, and what
/// was deleted since is. Otherwise each object's rows are of one moment: its changes lead to its head.
pub async fn an_export_is_of_one_moment_or_says_so(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    fill(&owner).await;
    let expected = sorted(&*owner.store).await;
    let mut export = owner.store.export().await.unwrap();
    let mut found = export.next(3).await.unwrap();
    let long = owner.head(&key("long")).await;
    owner.done(vec![owner.put(&key("long"), long), owner.put(&key("new"), 0)]).await;
    owner.done(vec![owner.delete(&key("trimmed"), 3)]).await;
    loop {
        let page = export.next(50).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    in_order(&found);
    if export.of_one_moment() {
        in_any_order(&mut found);
        same(&found, &expected);
    }
}

/// An export that nobody reads on holds up neither commits nor reads nor another export, and one that is
/// dropped in the middle leaves nothing behind.
pub async fn an_export_does_not_wait_for_its_reader(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    fill(&owner).await;
    let mut unread = owner.store.export().await.unwrap();
    assert!(!unread.next(1).await.unwrap().is_empty());
    for head in 0..20 {
        owner.done(vec![owner.put(&key("busy"), head)]).await;
    }
    assert_eq!(owner.load(&key("busy")).await.head, Seq::new(20));
    let expected = reference(owner.store.shards()).await;
    let there = rows(&*owner.store, 1_000).await.len();
    drop(unread);
    assert_eq!(there, rows(&expected, 1_000).await.len() + 21);
    owner.done(vec![owner.put(&key("busy"), 20)]).await;
    assert_eq!(rows(&*owner.store as &dyn Store, 1_000).await.len(), there + 1);
}
