//! Objects, graves and names.

use abide_core::{
    FeedPosition, Incarnation, Json, Namespace, Seq, Timestamp,
    port::store::{AlarmsQuery, ChangesPage, Commit, Write},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, count, json, key, message, named, outcome},
};

/// Everything of an object comes back as it was put.
pub async fn what_is_loaded_is_what_was_put(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let state = json(r#"{ "n": 1.0e3, "big": 18446744073709551615, "t": "\u0000\"🦀" }"#);
    let commit = Commit {
        incarnation: Incarnation::new(4),
        write: Write::Put { state: state.clone(), version: 9, created_at: at(-5), updated_at: at(6) },
        alarms: owner.alarms(&a, 0, vec![alarm("b", 2), alarm("a", 3)]).alarms,
        ..owner.put(&a, 0)
    };
    let id = commit.id;
    owner.done(vec![commit]).await;
    let loaded = owner.load(&a).await;
    assert_eq!((loaded.head, loaded.floor), (Seq::new(1), Seq::ZERO));
    assert_eq!(loaded.incarnation, Incarnation::new(4));
    assert_eq!(loaded.state, Some(state));
    assert_eq!((loaded.version, loaded.commit_id), (9, id));
    assert_eq!((loaded.created_at, loaded.updated_at), (at(-5), at(6)));
    assert_eq!(loaded.alarms, [alarm("a", 3), alarm("b", 2)]);
}

/// Of an object that no commit named there is nothing, and asking for it makes nothing.
pub async fn an_object_that_was_never_there_is_nothing_everywhere(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, store) = (key("a"), &owner.store);
    for _ in 0..2 {
        assert_eq!(store.load(&a).await.unwrap(), None);
        assert_eq!(store.changes(&a, Seq::ZERO, 9).await.unwrap(), ChangesPage::default());
        assert_eq!(store.snapshot(&a, Seq::new(9)).await.unwrap(), None);
        assert_eq!(store.outcome(&a, "me", "k", at(0)).await.unwrap(), None);
        assert_eq!(store.received(&a, &key("b")).await.unwrap(), 0);
    }
    assert_eq!(store.status().await.unwrap().objects, []);
}

/// `Keep` leaves the state and moves the head with its changes.
pub async fn a_commit_without_a_state_keeps_the_state(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    owner.grow(&a, 1).await;
    let kept = Commit { write: Write::Keep, ..owner.put(&a, 1) };
    owner.done(vec![kept]).await;
    let loaded = owner.load(&a).await;
    assert_eq!((loaded.head, loaded.state), (Seq::new(2), Some(count(1))));
    assert_eq!((loaded.created_at, loaded.updated_at), (at(0), at(2)));

    owner.done(vec![owner.keep(&a, 2)]).await;
    let again = owner.load(&a).await;
    assert_eq!((again.head, again.updated_at), (Seq::new(2), at(2)));
}

/// A commit that puts no state to an object that was never there leaves what looks like a grave at
/// head zero; it is no object of any list.
pub async fn an_object_without_state_can_still_hold_outcomes_and_messages(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let commit = Commit {
        incarnation: Incarnation::ZERO,
        outbox: vec![message(&a, 1, &key("b"))],
        outcomes: vec![outcome("me", "k", 10)],
        ..owner.keep(&a, 0)
    };
    let id = commit.id;
    owner.done(vec![commit]).await;
    let loaded = owner.load(&a).await;
    assert_eq!((loaded.head, loaded.state, loaded.commit_id), (Seq::ZERO, None, id));
    assert_eq!(loaded.created_at, Timestamp::EPOCH);
    let kept = owner.store.outcome(&a, "me", "k", at(0)).await.unwrap();
    assert_eq!(kept, Some(outcome("me", "k", 10)));
    let feed = owner.store.feed(Some(a.shard(owner.store.shards())), FeedPosition::ZERO, 9).await.unwrap();
    assert_eq!(feed.entries, []);
    owner.grow(&a, 1).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// Deleting drops state, alarms and kept changes, leaves head and incarnation, and keeps what others
/// rely on: messages on their way, numbers received, outcomes of keyed calls.
pub async fn delete_leaves_a_grave_and_drops_alarms_and_changes_only(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b, store) = (key("a"), key("b"), &owner.store);
    let full = Commit {
        outbox: vec![message(&a, 1, &b)],
        received: vec![(b.clone(), 3)],
        outcomes: vec![outcome("me", "k", 100)],
        ..owner.alarms(&a, 0, vec![alarm("ring", 1), alarm("rust", 2)])
    };
    let delete = Commit { outcomes: vec![outcome("me", "delete", 100)], ..owner.delete(&a, 1) };
    owner.done(vec![full]).await;
    owner.done(vec![delete]).await;

    let grave = owner.load(&a).await;
    assert_eq!((grave.head, grave.floor), (Seq::new(2), Seq::new(2)));
    assert_eq!((grave.state, grave.updated_at), (None, at(2)));
    assert_eq!((grave.incarnation, grave.alarms), (Incarnation::new(1), vec![]));
    assert_eq!(owner.seqs(&a, 0, 9).await, [0u64; 0]);
    assert_eq!(store.due_alarms(at(9), None, 9).await.unwrap().alarms, []);
    assert_eq!(store.outbox(None, 9).await.unwrap().messages, [message(&a, 1, &b)]);
    assert_eq!(store.received(&a, &b).await.unwrap(), 3);
    for call_key in ["k", "delete"] {
        let outcome = store.outcome(&a, "me", call_key, at(0)).await.unwrap();
        assert!(outcome.is_some(), "{call_key}");
    }
    assert_eq!(store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// A new incarnation builds on the grave's head; its log starts after it.
pub async fn a_deleted_object_comes_back_in_a_new_incarnation(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    owner.grow(&a, 2).await;
    owner.done(vec![owner.delete(&a, 2)]).await;
    let again = Commit { incarnation: Incarnation::new(2), ..owner.put(&a, 3) };
    owner.done(vec![again]).await;
    let loaded = owner.load(&a).await;
    assert_eq!((loaded.head, loaded.floor), (Seq::new(4), Seq::new(3)));
    assert_eq!((loaded.incarnation, loaded.state), (Incarnation::new(2), Some(count(4))));
    assert_eq!(owner.seqs(&a, 0, 9).await, [4]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// Any character may stand in an id, NUL and quotes too, and no two ids are confused.
pub async fn ids_of_any_character_are_told_apart(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let long = "é".repeat(256);
    let ids = [
        "a",
        "A",
        "a\0",
        "a\0b",
        "\0",
        "a b",
        "a%",
        "a_",
        "a'b",
        "a\"b",
        "a/b",
        "🦀",
        "🦀\u{200d}",
        "é",
        "e\u{301}",
        "\u{10ffff}",
        "1",
        "01",
        "1.0",
        "null",
        long.as_str(),
    ];
    owner.done(ids.iter().map(|id| owner.put(&key(id), 0)).collect()).await;
    for (place, id) in ids.iter().enumerate() {
        let state = json(&format!("{{\"place\":{place}}}"));
        let commit = Commit {
            write: Write::Put { state: state.clone(), version: 1, created_at: at(0), updated_at: at(0) },
            outbox: vec![message(&key(id), 1, &key(id))],
            ..owner.alarms(&key(id), 1, vec![alarm(id, 0)])
        };
        owner.done(vec![commit]).await;
    }
    for (place, id) in ids.iter().enumerate() {
        let loaded = owner.load(&key(id)).await;
        let state = loaded.state.as_ref().map(Json::as_str);
        assert_eq!(state, Some(&*format!("{{\"place\":{place}}}")), "{id:?}");
        assert_eq!(&*loaded.alarms[0].name, *id);
    }
    let mut sorted = ids.map(key);
    sorted.sort();
    let due = owner.store.due_alarms(at(9), None, 99).await.unwrap().alarms;
    assert_eq!(due.into_iter().map(|due| due.key).collect::<Vec<_>>(), sorted);
    let outbox = owner.store.outbox(None, 99).await.unwrap().messages;
    assert_eq!(outbox.into_iter().map(|m| m.target).collect::<Vec<_>>(), sorted);
}

/// Objects of one name in different namespaces have nothing in common.
pub async fn namespaces_never_meet(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (ours, theirs) = (named("ours", "Counter", "a"), named("theirs", "Counter", "a"));
    let put = Commit { outcomes: vec![outcome("me", "k", 10)], ..owner.alarms(&ours, 0, vec![alarm("ring", 1)]) };
    owner.done(vec![put, owner.put(&theirs, 0), owner.delete(&theirs, 1)]).await;
    assert_eq!(owner.load(&ours).await.state, Some(count(1)));
    assert_eq!(owner.store.outcome(&theirs, "me", "k", at(0)).await.unwrap(), None);
    for (namespace, alarms) in [(&ours, 1), (&theirs, 0)] {
        let query =
            AlarmsQuery { key: None, namespace: namespace.namespace().clone(), dead: false, after: None, limit: 9 };
        assert_eq!(owner.store.alarms(query).await.unwrap().alarms.len(), alarms);
    }
}

/// Namespaces are told by name, page by page, each once.
pub async fn namespaces_are_told_by_name(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    assert_eq!(owner.store.namespaces(None, 9).await.unwrap(), []);
    let names = ["acme", "acme.b", "default", "zoo"];
    for name in names.iter().rev() {
        let two = ["a", "b"].map(|id| owner.put(&named(name, "Counter", id), 0));
        owner.done(two.into()).await;
    }
    for limit in [1, 3, 9] {
        let mut found: Vec<Namespace> = Vec::new();
        loop {
            let page = owner.store.namespaces(found.last().cloned(), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found.iter().map(Namespace::as_str).collect::<Vec<_>>(), names);
    }
}
