//! Durability, atomicity, ordering, fencing and reads.

use abide_core::{
    Epoch, Seq,
    port::store::{Commit, Committed, ListQuery, Write},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, count, json, key, message, outcome},
};

/// `claim` raises each epoch by one and returns the new ones by number.
pub async fn claim_raises_every_epoch_by_one(subject: &mut dyn Subject) {
    let store = subject.open().await;
    for epoch in 1..4 {
        let claimed = store.claim().await.unwrap();
        assert_eq!(claimed, vec![Epoch::new(epoch); store.shards() as usize]);
    }
}

/// After a claim, no commit with an older epoch succeeds, and it is told the epoch found.
pub async fn a_fenced_owner_cannot_commit(subject: &mut dyn Subject) {
    let first = Owner::open(subject).await;
    let (a, b) = (key("a"), key("b"));
    first.done(vec![first.put(&a, 0)]).await;
    let second = Owner::claim(first.store.clone()).await;
    let fenced = Committed::Fenced { current: Epoch::new(2) };
    let wrong_head = first.put(&b, 7);
    let answers = first.commit(vec![first.put(&a, 1), first.put(&b, 0), wrong_head]).await;
    assert_eq!(answers, vec![fenced; 3]);
    assert_eq!((first.head(&a).await, first.head(&b).await), (1, 0));
    second.done(vec![second.put(&a, 1)]).await;
}

/// Only the current epoch may commit: one that is not yet given out may not.
pub async fn a_commit_with_an_epoch_to_come_changes_nothing(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let commit = Commit { epoch: Epoch::new(2), ..owner.put(&key("a"), 0) };
    let current = Epoch::new(1);
    assert_eq!(owner.commit(vec![commit]).await, [Committed::Fenced { current }]);
    assert_eq!(owner.head(&key("a")).await, 0);
}

/// A commit on another head is left out; those before and after it in the batch are not touched by it.
pub async fn a_failed_expectation_leaves_out_only_its_own_commit(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b, c) = (key("a"), key("b"), key("c"));
    owner.grow(&b, 2).await;
    let batch = vec![owner.put(&a, 0), owner.put(&b, 1), owner.put(&c, 0), owner.put(&c, 5)];
    let conflict = |head| Committed::Conflict { head: Seq::new(head) };
    assert_eq!(owner.commit(batch).await, [Committed::Done, conflict(2), Committed::Done, conflict(1)]);
    let heads = [owner.head(&a).await, owner.head(&b).await, owner.head(&c).await];
    assert_eq!(heads, [1, 2, 1]);
}

/// Nothing a failed commit holds is there afterwards: no alarm, message, outcome or received number.
pub async fn a_failed_commit_leaves_nothing_of_itself(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, sender) = (key("a"), key("sender"));
    owner.grow(&a, 1).await;
    let before = owner.load(&a).await;
    let commit = Commit {
        alarms: owner.alarms(&a, 0, vec![alarm("ring", 1)]).alarms,
        outbox: vec![message(&a, 1, &sender)],
        received: vec![(sender.clone(), 4)],
        outcomes: vec![outcome("me", "k", 1_000)],
        ..owner.put(&a, 0)
    };
    let head = Seq::new(1);
    assert_eq!(owner.commit(vec![commit]).await, [Committed::Conflict { head }]);
    let store = &owner.store;
    assert_eq!(owner.load(&a).await, before);
    assert_eq!(store.outbox(None, 10).await.unwrap().messages, []);
    assert_eq!(store.received(&a, &sender).await.unwrap(), 0);
    assert_eq!(store.outcome(&a, "me", "k", at(0)).await.unwrap(), None);
    assert_eq!(store.due_alarms(at(9), None, 10).await.unwrap().alarms, []);
}

/// Each commit of a batch sees the one before it, also on an object that the batch creates or deletes.
pub async fn commits_of_one_batch_to_one_object_apply_in_order(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b) = (key("a"), key("b"));
    let mut batch: Vec<_> = (0..3).map(|head| owner.put(&a, head)).collect();
    batch.extend([owner.put(&b, 0), owner.delete(&b, 1), owner.put(&b, 2)]);
    let last = batch[5].id;
    owner.done(batch).await;
    assert_eq!(owner.load(&a).await.state, Some(count(3)));
    assert_eq!(owner.seqs(&a, 0, 10).await, [1, 2, 3]);
    let b_loaded = owner.load(&b).await;
    assert_eq!((b_loaded.state, b_loaded.commit_id), (Some(count(3)), last));
    assert_eq!(owner.seqs(&b, 0, 10).await, [3]);
    assert_eq!(owner.store.verify(10).await.unwrap(), Vec::<String>::new());
}

/// Batches take effect in the order of the calls, whatever the order in which they are waited for.
pub async fn batches_take_effect_in_the_order_of_calls(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let calls: Vec<_> = (0..50).map(|head| owner.store.commit(vec![owner.put(&a, head)])).collect();
    for call in calls.into_iter().rev() {
        assert_eq!(call.await.unwrap(), [Committed::Done]);
    }
    assert_eq!(owner.head(&a).await, 50);
}

/// A batch counts from its call; dropping the future does not undo it.
pub async fn a_batch_is_applied_when_commit_is_called_even_if_nobody_waits(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    drop(owner.store.commit(vec![owner.put(&key("a"), 0)]));
    owner.done(vec![owner.put(&key("a"), 1)]).await;
}

/// What was reported done is there when the store is opened again, and so are the epochs.
pub async fn the_batch_is_durable_after_reopen(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b) = (key("a"), key("b"));
    let commit = Commit {
        alarms: owner.alarms(&a, 0, vec![alarm("ring", 1)]).alarms,
        outbox: vec![message(&a, 1, &b)],
        received: vec![(b.clone(), 4)],
        outcomes: vec![outcome("me", "k", 1_000)],
        ..owner.put(&a, 0)
    };
    owner.done(vec![commit, owner.put(&b, 0), owner.delete(&b, 1)]).await;
    let before = (owner.load(&a).await, owner.load(&b).await);
    drop(owner);

    let owner = Owner::open(subject).await;
    let store = &owner.store;
    assert_eq!((owner.load(&a).await, owner.load(&b).await), before);
    assert_eq!(owner.seqs(&a, 0, 10).await, [1]);
    assert_eq!(store.outbox(None, 10).await.unwrap().messages, [message(&a, 1, &b)]);
    assert_eq!(store.received(&a, &b).await.unwrap(), 4);
    assert!(store.outcome(&a, "me", "k", at(0)).await.unwrap().is_some());
    assert_eq!(store.claim().await.unwrap()[0], Epoch::new(3));
}

/// A read that begins after a batch was reported done sees it.
pub async fn reads_see_what_was_done_before(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    for head in 0..100 {
        owner.done(vec![owner.put(&a, head)]).await;
        assert_eq!(owner.head(&a).await, head + 1);
        assert_eq!(owner.seqs(&a, head, 10).await, [head + 1]);
    }
}

/// A read sees all of a batch or nothing of it, in each database.
pub async fn reads_never_see_a_part_of_a_batch(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let [a, b] = owner.together(["a", "b"]);
    owner.done(vec![owner.put(&a, 0), owner.put(&b, 0)]).await;
    let writes: Vec<_> =
        (1..200).map(|head| owner.store.commit(vec![owner.put(&a, head), owner.put(&b, head)])).collect();
    for write in writes {
        let page = owner.store.list(all(&a)).await.unwrap();
        assert_eq!(page.objects[0].seq, page.objects[1].seq);
        assert_eq!(page.objects[0].state, page.objects[1].state);
        write.await.unwrap();
    }
}

fn all(key: &abide_core::Key) -> ListQuery {
    ListQuery {
        namespace: key.namespace().clone(),
        kind: key.kind().clone(),
        prefix: String::new(),
        filter: None,
        order: None,
        after: None,
        limit: 10,
    }
}

/// The id of the last commit is loaded with the object, also of one that changed nothing.
pub async fn the_last_commit_id_settles_a_lost_answer(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    for id in [u64::MAX, 1 << 63, 5] {
        let head = owner.head(&a).await;
        owner.done(vec![Commit { id, ..owner.put(&a, head) }]).await;
        assert_eq!(owner.load(&a).await.commit_id, id);
    }
    let empty = Commit { id: 77, write: Write::Keep, outcomes: vec![outcome("me", "k", 1)], ..owner.keep(&a, 3) };
    owner.done(vec![empty]).await;
    assert_eq!(owner.load(&a).await.commit_id, 77);
    assert_eq!(owner.load(&a).await.state, Some(json(r#"{"count":3}"#)));
}
