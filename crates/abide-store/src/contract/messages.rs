//! Messages between objects, and outcomes of keyed calls.

use abide_core::{
    Error, Key, Seq,
    port::store::{Commit, MessageId, OutboxMessage, Outcome},
};

use super::{
    Subject,
    fixture::{Owner, at, json, key, message, named, outcome},
};

fn id(sender: &Key, n: u64) -> MessageId {
    MessageId { sender: sender.clone(), n }
}

/// Messages come by sender and number, whatever the order in which they were sent.
pub async fn outbox_is_ordered_by_sender_and_number_and_paged(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let target = key("target");
    let mut expected = Vec::new();
    for sender in [named("z", "A", "a"), key("b"), key("a\0"), key("a"), named("default", "A", "z")] {
        for (head, numbers) in [[2, 9], [10, 11]].into_iter().enumerate() {
            let commit = Commit {
                outbox: numbers.map(|n| message(&sender, n, &target)).to_vec(),
                ..owner.put(&sender, head as u64)
            };
            owner.done(vec![commit]).await;
            expected.extend(numbers.map(|n| id(&sender, n)));
        }
    }
    expected.sort();
    for limit in [1, 3, 99] {
        let mut found: Vec<MessageId> = Vec::new();
        loop {
            let page = owner.store.outbox(found.last().cloned(), limit).await.unwrap().messages;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|message| message.id));
        }
        assert_eq!(found, expected, "limit {limit}");
    }
    assert_eq!(owner.store.outbox(None, 0).await.unwrap().messages, []);
}

/// An acknowledged message is gone; acknowledging it again, or one that never was, does no harm.
pub async fn a_message_is_acknowledged_once_and_again_without_harm(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b) = (key("a"), key("b"));
    let send = Commit { outbox: (1..=3).map(|n| message(&a, n, &b)).collect(), ..owner.put(&a, 0) };
    owner.done(vec![send]).await;
    for _ in 0..2 {
        let ids = vec![id(&a, 1), id(&a, 3), id(&a, 77), id(&b, 2), id(&key("never"), 1)];
        owner.store.acknowledge(ids).await.unwrap();
        assert_eq!(owner.store.outbox(None, usize::MAX).await.unwrap().messages, [message(&a, 2, &b)]);
    }
    let call = owner.store.acknowledge(vec![id(&a, 2)]);
    drop(call);
    owner.done(vec![owner.put(&a, 1)]).await;
    assert_eq!(owner.store.outbox(None, 9).await.unwrap().messages, []);
}

/// Target, handler, arguments, principal and time come back as they were sent.
pub async fn a_message_keeps_all_it_was_sent_with(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let full = OutboxMessage {
        target: named("elsewhere", "Other", "x\0 🦀"),
        handler: "händler".into(),
        args: json(r#"{"a":[1,null,"\u0000"]}"#),
        principal: Some(json(r#"{"subject":"alice"}"#)),
        at: at(5),
        ..message(&a, 1, &a)
    };
    let send = Commit { outbox: vec![full.clone()], ..owner.put(&a, 0) };
    owner.done(vec![send]).await;
    assert_eq!(owner.store.outbox(None, 9).await.unwrap().messages, [full]);
}

/// The last number of each sender is kept with the commit that applied it.
pub async fn received_is_kept_with_its_commit(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, s, t) = (key("a"), key("s"), named("other", "Counter", "s"));
    let receive = |head, received| Commit { received, ..owner.put(&a, head) };
    owner.done(vec![receive(0, vec![(s.clone(), 1), (s.clone(), 2), (t.clone(), 9)])]).await;
    owner.done(vec![receive(1, vec![(s.clone(), 7)])]).await;
    owner.commit(vec![receive(0, vec![(s.clone(), 8)])]).await;
    let received = async |of: &Key, from: &Key| owner.store.received(of, from).await.unwrap();
    assert_eq!(received(&a, &s).await, 7);
    assert_eq!(received(&a, &t).await, 9);
    assert_eq!(received(&s, &a).await, 0);
}

/// Answers and errors come back by caller and key; the last one of a name counts.
pub async fn outcomes_keep_answers_and_errors_by_caller_and_key(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let refused = Outcome {
        reply: Err(Error::rejected("not enough").with_data(serde_json::json!({"missing": 3}))),
        seq: Seq::new(1),
        fingerprint: 1 << 63,
        ..outcome("alice", "k\0", 10)
    };
    let replaced = Outcome { reply: Ok(json("null")), ..outcome("bob", "k", 20) };
    let keep = |head, outcomes| Commit { outcomes, ..owner.put(&a, head) };
    owner.done(vec![keep(0, vec![refused.clone(), outcome("bob", "k", 10)])]).await;
    owner.done(vec![keep(1, vec![replaced.clone()])]).await;
    let found = async |key: &Key, caller, call_key| owner.store.outcome(key, caller, call_key, at(0)).await.unwrap();
    assert_eq!(found(&a, "alice", "k\0").await, Some(refused));
    assert_eq!(found(&a, "bob", "k").await, Some(replaced));
    assert_eq!(found(&a, "alice", "k").await, None);
    assert_eq!(found(&key("b"), "bob", "k").await, None);
}

/// An outcome is there until it expires, whether or not it was cleaned away; then `clean` removes it.
pub async fn outcomes_expire(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, store) = (key("a"), &owner.store);
    let put = Commit { outcomes: vec![outcome("me", "soon", 10), outcome("me", "late", 20)], ..owner.put(&a, 0) };
    owner.done(vec![put]).await;
    for (now, call_key, there) in [(9, "soon", true), (10, "soon", false), (10, "late", true)] {
        let found = store.outcome(&a, "me", call_key, at(now)).await.unwrap();
        assert_eq!(found.is_some(), there, "{call_key} at {now}");
    }
    assert_eq!(store.clean(at(9), 99).await.unwrap(), 0);
    assert_eq!(store.clean(at(15), 99).await.unwrap(), 1);
    assert_eq!(store.outcome(&a, "me", "soon", at(0)).await.unwrap(), None);
    assert!(store.outcome(&a, "me", "late", at(0)).await.unwrap().is_some());
}
