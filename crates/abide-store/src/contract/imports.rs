//! What a store takes in.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    FeedPosition, Kind, Namespace, Seq, Store, StoreError,
    filter::Path,
    port::store::{AlarmsQuery, Commit, Committed, FeedEntry, KindIndexes, ListQuery, Row},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, change, key, message, outcome},
    full::{LONG, fill, reference, rows, same, sorted},
};
use crate::MemoryStore;

/// Takes rows in, from the first, in pages of `limit`.
async fn import(store: &dyn Store, source: &str, rows: &[Row], limit: usize) {
    assert_eq!(store.import_begin(source.into(), false).await, Ok(0));
    take(store, 0, rows, limit).await;
    store.import_done(rows.len() as u64).await.expect("the import ends");
}

async fn take(store: &dyn Store, mut from: u64, rows: &[Row], limit: usize) {
    for page in rows.chunks(limit) {
        store.import(from, page.to_vec()).await.expect("the store takes rows");
        from += page.len() as u64;
    }
}

fn unsupported<T: std::fmt::Debug>(answer: Result<T, StoreError>, says: &str) {
    match answer {
        Err(StoreError::Unsupported(text)) => assert!(text.contains(says), "{text:?} does not say {says:?}"),
        other => panic!("{other:?} instead of a refusal that says {says:?}"),
    }
}

/// What another store exported is there to the last byte, also after reopening, and every read gives what
/// the other store gives.
pub async fn what_is_imported_is_all_that_was_exported(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let memory = reference(store.shards()).await;
    let by_count = KindIndexes { kind: kind(), paths: vec![Path::parse("count").expect("the path parses")] };
    store.index(vec![by_count]).await.unwrap();
    import(&*store, "a backup", &rows(&memory, 50).await, 64).await;
    let expected = sorted(&memory).await;
    same(&sorted(&*store).await, &expected);
    drop(store);
    let store = subject.open().await;
    same(&sorted(&*store).await, &expected);
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
    let status = store.status().await.unwrap();
    assert_eq!((status.importing, status.indexes.len()), (None, 1));
    assert_eq!(status.objects, memory.status().await.unwrap().objects);
    reads_alike(&*store, &memory).await;
    feed_leads_to_heads(&*store, &expected).await;
}

fn kind() -> Kind {
    Kind::new("Counter").expect("the kind is legal")
}

async fn reads_alike(store: &dyn Store, memory: &MemoryStore) {
    for id in ["long", "bare", "trimmed", "gone", "back", "never", "rich"] {
        let key = key(id);
        let sorted = |loaded: Option<abide_core::port::store::Loaded>| {
            let mut loaded = loaded.unwrap_or_else(|| panic!("{id} is not there"));
            loaded.alarms.sort_by(|one, other| one.name.cmp(&other.name));
            loaded
        };
        assert_eq!(sorted(store.load(&key).await.unwrap()), sorted(memory.load(&key).await.unwrap()));
        for seq in [0, 69, 70, 149, LONG - 1, LONG] {
            let seq = Seq::new(seq);
            let page = store.changes(&key, seq, 1_000).await.unwrap();
            assert_eq!(page, memory.changes(&key, seq, 1_000).await.unwrap(), "{id} after {seq}");
            let snapshot = store.snapshot(&key, seq).await.unwrap();
            assert_eq!(snapshot, memory.snapshot(&key, seq).await.unwrap(), "{id} at {seq}");
        }
    }
    let rich = key("rich");
    let received = store.received(&rich, &rich).await.unwrap();
    assert_eq!(received, 1);
    for (id, caller, call_key) in [("gone", "me", "once"), ("never", "alice", "k\0"), ("rich", "you", "k")] {
        let found = store.outcome(&key(id), caller, call_key, at(0)).await.unwrap();
        assert_eq!(found, memory.outcome(&key(id), caller, call_key, at(0)).await.unwrap());
        assert!(found.is_some(), "{id}");
    }
    assert_eq!(store.outbox(None, 99).await.unwrap().messages, memory.outbox(None, 99).await.unwrap().messages);
    let due = memory.due_alarms(at(400), None, 99).await.unwrap().alarms;
    assert_eq!((store.due_alarms(at(400), None, 99).await.unwrap().alarms, due.len()), (due, 1));
    let dead = AlarmsQuery { key: None, namespace: Namespace::default(), dead: true, after: None, limit: 9 };
    assert_eq!(store.alarms(dead.clone()).await.unwrap().alarms, memory.alarms(dead).await.unwrap().alarms);
    let counters = ListQuery {
        namespace: Namespace::default(),
        kind: kind(),
        prefix: String::new(),
        filter: Some(abide_core::Filter::parse("count>1").expect("the filter parses")),
        order: Some(abide_core::port::store::Order::parse("-count").expect("the order parses")),
        after: None,
        limit: 99,
    };
    let found = store.list(counters.clone()).await.unwrap();
    assert_eq!(found, memory.list(counters).await.unwrap());
    assert!(found.objects.len() > 3);
}

/// Each object with a head stands in the feed from its first seq to its head, without a gap.
async fn feed_leads_to_heads(store: &dyn Store, rows: &[Row]) {
    let mut reached = BTreeMap::new();
    for (shard, _) in store.feed_heads().await.unwrap() {
        let mut after = FeedPosition::ZERO;
        loop {
            let page = store.feed(Some(shard), after, 100).await.unwrap();
            for FeedEntry { key, first, last, .. } in page.entries {
                let before = reached.insert(key.clone(), last).unwrap_or(Seq::ZERO);
                assert_eq!(first, before.next(), "{key}");
            }
            after = page.next;
            if !page.more {
                break;
            }
        }
    }
    let heads = rows.iter().filter_map(|row| match row {
        Row::Object(row) if row.head > Seq::ZERO => Some((row.key.clone(), row.head)),
        _ => None,
    });
    assert_eq!(reached, heads.collect());
}

/// A restored store is one like any other: claimed, committed to on the heads that came with it, its
/// alarms, messages and outcomes taken from it.
pub async fn a_restored_store_goes_on_where_the_other_was(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let memory = reference(store.shards()).await;
    import(&*store, "a backup", &rows(&memory, 50).await, 1_000).await;
    drop(store);
    let owner = Owner::open(subject).await;
    assert_eq!(owner.commit(vec![owner.put(&key("long"), 3)]).await, [Committed::Conflict { head: Seq::new(LONG) }]);
    let (long, gone, rich) = (key("long"), key("gone"), key("rich"));
    let trimmed = Commit { trim: Some(Seq::new(LONG - 1)), ..owner.put(&long, LONG) };
    owner.done(vec![trimmed, owner.put(&gone, 2), owner.delete(&key("back"), 4)]).await;
    let replaced = Commit {
        outcomes: vec![outcome("me", "k", 9_000)],
        received: vec![(rich.clone(), 2)],
        ..owner.alarms(&rich, 1, vec![alarm("x", 900)])
    };
    owner.done(vec![replaced]).await;
    owner.store.acknowledge(vec![message(&rich, 2, &rich).id]).await.unwrap();
    assert_eq!(owner.seqs(&long, LONG - 1, 9).await, [LONG, LONG + 1]);
    assert_eq!(owner.store.received(&rich, &rich).await, Ok(2));
    assert_eq!(owner.store.outbox(None, 9).await.unwrap().messages.len(), 1);
    assert_eq!(owner.store.due_alarms(at(899), None, 9).await.unwrap().alarms.len(), 1);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    let again = MemoryStore::new(1);
    import(&again, "the store", &rows(&*owner.store, 99).await, 99).await;
    same(&sorted(&again).await, &sorted(&*owner.store).await);
}

/// However an import is broken off, the store knows how many rows are in. Rows that come again change
/// nothing, and rows that leave out some are refused.
pub async fn an_import_goes_on_where_it_was_broken_off(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let memory = reference(store.shards()).await;
    let all = rows(&memory, 50).await;
    store.import_begin("a backup".into(), false).await.unwrap();
    unsupported(store.import(1, all[1..9].to_vec()).await, "missing");
    let (mut sent, mut store) = (0, store);
    for (step, again) in [(7, 0), (1, 1), (60, 13), (0, 0), (90, 500)] {
        let from = sent - again.min(sent);
        store.import(from as u64, all[from..sent + step].to_vec()).await.unwrap();
        sent += step;
        drop(store);
        store = subject.open().await;
        assert_eq!(store.import_begin("a backup".into(), sent % 2 == 0).await, Ok(sent as u64));
        assert_eq!(store.status().await.unwrap().importing.map(|importing| importing.rows), Some(sent as u64));
        unsupported(store.import(sent as u64 + 1, vec![all[sent + 1].clone()]).await, "missing");
    }
    take(&*store, sent as u64, &all[sent..], 33).await;
    unsupported(store.import_done(all.len() as u64 + 1).await, "rows are in");
    store.import_done(all.len() as u64).await.unwrap();
    same(&sorted(&*store).await, &sorted(&memory).await);
    unsupported(store.import(0, all[..1].to_vec()).await, "beginning");
    unsupported(store.import_done(all.len() as u64).await, "beginning");
}

/// Until its end, an import cannot be claimed, exported or taken for sound, and loses nothing to whoever
/// acknowledges messages late.
pub async fn an_unfinished_import_is_not_a_store(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let all = rows(&reference(store.shards()).await, 50).await;
    store.import_begin("a backup".into(), false).await.unwrap();
    take(&*store, 0, &all, 1_000).await;
    for _ in 0..2 {
        unsupported(store.claim().await, "a backup");
        unsupported(store.export().await.map(drop), "a backup");
        unsupported(store.import_begin("another".into(), false).await, "a backup");
        let faults = store.verify(9).await.unwrap();
        let said = |fault: &String| fault.contains("not whole") && fault.contains("a backup");
        assert!(!faults.is_empty() && faults.iter().all(said), "only what is the matter: {faults:?}");
        let rich = key("rich");
        assert!(store.acknowledge(vec![message(&rich, 2, &rich).id]).await.is_err());
        assert_eq!(store.outbox(None, 9).await.unwrap().messages.len(), 2);
    }
    drop(store);
    let store = subject.open().await;
    unsupported(store.claim().await, "a backup");
    store.import_done(all.len() as u64).await.unwrap();
    store.claim().await.unwrap();
}

/// An import begins with a new id, an empty feed and higher epochs: who owned the store before can commit
/// no more, and its cursors are not taken for those of the new one.
pub async fn whoever_owned_the_store_before_an_import_is_fenced(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let before = owner.store.status().await.unwrap().id;
    let memory = reference(owner.store.shards()).await;
    import(&*owner.store, "a backup", &rows(&memory, 50).await, 500).await;
    let late = owner.commit(vec![owner.put(&key("late"), 0), owner.put(&key("long"), LONG)]).await;
    assert!(late.iter().all(|answer| matches!(answer, Committed::Fenced { .. })), "{late:?}");
    assert_ne!(owner.store.status().await.unwrap().id, before);
    let next = Owner::claim(owner.store.clone()).await;
    let late = owner.commit(vec![owner.put(&key("late"), 0)]).await;
    assert!(matches!(late[..], [Committed::Fenced { .. }]), "{late:?}");
    next.done(vec![next.put(&key("long"), LONG)]).await;
}

/// What a store holds goes only if that is said, and then all of it goes.
pub async fn a_store_that_holds_something_is_replaced_only_when_asked(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    fill(&owner).await;
    let id = owner.store.status().await.unwrap().id;
    let expected = sorted(&*owner.store).await;
    unsupported(owner.store.import_begin("a backup".into(), false).await, "holds something");
    same(&sorted(&*owner.store).await, &expected);
    assert_eq!(owner.store.status().await.unwrap().id, id);
    owner.done(vec![owner.put(&key("still"), 0)]).await;

    let small = MemoryStore::new(3);
    let other = Owner::claim(Arc::new(small.clone())).await;
    other.done(vec![other.put(&key("long"), 0), other.put(&key("small"), 0)]).await;
    let all = rows(&small, 9).await;
    assert_eq!(owner.store.import_begin("a backup".into(), true).await, Ok(0));
    take(&*owner.store, 0, &all, 2).await;
    // Something else, in place of what is half there.
    assert_eq!(owner.store.import_begin("another".into(), true).await, Ok(0));
    take(&*owner.store, 0, &all, 9).await;
    owner.store.import_done(all.len() as u64).await.unwrap();
    same(&sorted(&*owner.store).await, &sorted(&small).await);
    feed_leads_to_heads(&*owner.store, &all).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    assert_eq!(owner.store.due_alarms(at(9_999), None, 9).await.unwrap().alarms, []);
}

/// A row of an object that is not there, and logs with holes, never become a store.
pub async fn rows_that_do_not_belong_together_are_refused(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let all = rows(&reference(store.shards()).await, 50).await;
    let object = all.iter().find(|row| matches!(row, Row::Object(row) if row.key == key("long")));
    let object = object.expect("the long one is there").clone();
    let change = |seq| Row::Change { key: key("long"), change: change(seq) };
    let received = Row::Received { key: key("nobody"), sender: key("long"), n: 1 };
    let bad = [
        vec![object.clone(), change(71), change(73)],
        vec![object.clone(), change(70)],
        vec![object.clone(), change(71)],
        vec![object],
        vec![change(71)],
        vec![Row::Alarm { key: key("nobody"), alarm: Box::new(alarm("x", 1)) }],
        vec![Row::Outcome { key: key("nobody"), outcome: Box::new(outcome("me", "k", 1)) }],
        vec![received],
    ];
    for (n, rows) in bad.into_iter().enumerate() {
        let count = rows.len() as u64;
        store.import_begin(format!("backup {n}"), true).await.unwrap();
        let answer = match store.import(0, rows).await {
            Ok(()) => store.import_done(count).await,
            refused => refused,
        };
        unsupported(answer, "the rows to import are");
        unsupported(store.claim().await, "not whole");
    }
    assert_eq!(store.import_begin("nothing".into(), true).await, Ok(0));
    store.import_done(0).await.unwrap();
    store.claim().await.unwrap();
    assert_eq!(rows(&*store, 9).await, []);
}

/// Thousands of objects, in pages of thousands of rows.
pub async fn an_import_of_many_rows_keeps_each(subject: &mut dyn Subject) {
    let store = subject.open().await;
    let memory = Owner::claim(Arc::new(MemoryStore::new(7))).await;
    let keys: Vec<_> = (0..5_000).map(|n| key(&format!("o{n}"))).collect();
    for expected in 0..2 {
        memory.done(keys.iter().map(|key| memory.put(key, expected)).collect()).await;
    }
    let alarms = |n: i64| Commit {
        outbox: vec![message(&keys[0], n.unsigned_abs(), &keys[1])],
        ..memory.alarms(&keys[n as usize], 2, vec![alarm("x", n)])
    };
    memory.done((1..2_000).map(alarms).collect()).await;
    import(&*store, "a backup", &rows(&*memory.store, 4_000).await, 4_000).await;
    same(&sorted(&*store).await, &sorted(&*memory.store).await);
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
}
