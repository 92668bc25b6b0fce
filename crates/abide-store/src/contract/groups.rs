//! Groups of commits.

use abide_core::{
    Epoch, Key, Seq, StoreError,
    port::store::{Commit, Committed, ListQuery},
};

use super::{
    Subject,
    fixture::{Owner, alarm, at, key, message, outcome},
};

/// A group whose commits all pass is done, also where it creates, keeps and deletes objects.
pub async fn a_group_is_done_whole(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let [a, b, c] = owner.together(["a", "b", "c"]);
    owner.done(vec![owner.put(&b, 0), owner.put(&c, 0)]).await;
    let whole = group(1, vec![owner.put(&a, 0), owner.put(&b, 1), owner.delete(&c, 1)]);
    if !owner.store.groups() {
        return is_refused(&owner, whole, &[(&a, 0), (&b, 1), (&c, 1)]).await;
    }
    owner.done(whole).await;
    assert_eq!(heads(&owner, [&a, &b, &c]).await, [1, 2, 2]);
    assert_eq!(owner.load(&c).await.state, None);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// One commit on another head leaves out its whole group, wherever it stands in it.
pub async fn a_conflict_leaves_out_the_whole_group(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if !owner.store.groups() {
        return;
    }
    let keys = owner.together(["a", "b", "c"]);
    for place in 0..3 {
        let expected = |n: usize| if n == place { 7 } else { 0 };
        let commits = keys.iter().enumerate().map(|(n, key)| owner.put(key, expected(n))).collect();
        let mut answers = [Committed::LeftOut; 3];
        answers[place] = Committed::Conflict { head: Seq::ZERO };
        assert_eq!(owner.commit(group(1, commits)).await, answers);
    }
    let [a, b, c] = &keys;
    assert_eq!(heads(&owner, [a, b, c]).await, [0, 0, 0]);
    let two = group(1, vec![owner.put(a, 1), owner.put(b, 0), owner.put(c, 2)]);
    let conflict = Committed::Conflict { head: Seq::ZERO };
    assert_eq!(owner.commit(two).await, [conflict, Committed::LeftOut, conflict]);
}

/// One commit of an owner that lost its shard leaves out its whole group.
pub async fn a_fenced_commit_leaves_out_the_whole_group(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if !owner.store.groups() {
        return;
    }
    let [a, b, c] = owner.together(["a", "b", "c"]);
    owner.grow(&a, 1).await;
    let before = owner.load(&a).await;
    let fenced = Commit { epoch: Epoch::ZERO, ..owner.put(&b, 0) };
    let answers = owner.commit(group(3, vec![owner.put(&a, 1), fenced, owner.put(&c, 0)])).await;
    let current = Epoch::new(1);
    assert_eq!(answers, [Committed::LeftOut, Committed::Fenced { current }, Committed::LeftOut]);
    assert_eq!(owner.load(&a).await, before);
    assert_eq!(heads(&owner, [&a, &b, &c]).await, [1, 0, 0]);
}

/// Nothing of a group that failed is there afterwards: no alarm, message, outcome or received number.
pub async fn a_failed_group_leaves_nothing_of_itself(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if !owner.store.groups() {
        return;
    }
    let [a, b] = owner.together(["a", "b"]);
    let full = Commit {
        outbox: vec![message(&a, 1, &b)],
        received: vec![(b.clone(), 4)],
        outcomes: vec![outcome("me", "k", 1_000)],
        ..owner.alarms(&a, 0, vec![alarm("ring", 1)])
    };
    let answers = owner.commit(group(1, vec![full, owner.put(&b, 5)])).await;
    assert_eq!(answers, [Committed::LeftOut, Committed::Conflict { head: Seq::ZERO }]);
    let store = &owner.store;
    assert_eq!(store.load(&a).await.unwrap(), None);
    assert_eq!(store.outbox(None, 9).await.unwrap().messages, []);
    assert_eq!(store.received(&a, &b).await.unwrap(), 0);
    assert_eq!(store.outcome(&a, "me", "k", at(0)).await.unwrap(), None);
    assert_eq!(store.due_alarms(at(9), None, 9).await.unwrap().alarms, []);
    assert_eq!(owner.seqs(&a, 0, 9).await, [0u64; 0]);
    assert_eq!(store.feed_heads().await.unwrap(), []);
    owner.done(vec![owner.put(&a, 0)]).await;
}

/// Groups of one batch, and commits without one, stand or fall each by itself, and see what was done
/// before them in the batch.
pub async fn groups_of_one_batch_stand_or_fall_each_by_itself(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if !owner.store.groups() {
        return;
    }
    let [a, b, c, d, e] = &owner.together(["a", "b", "c", "d", "e"]);
    let mut batch = vec![owner.put(a, 0)];
    batch.extend(group(1, vec![owner.put(a, 1), owner.put(b, 0)]));
    batch.extend(group(2, vec![owner.put(a, 2), owner.put(c, 9)]));
    batch.extend(group(1, vec![owner.put(b, 1), owner.put(d, 0)]));
    batch.push(owner.put(a, 2));
    batch.extend(group(4, vec![owner.put(c, 1), owner.put(e, 0)]));
    batch.extend(group(5, vec![owner.put(e, 0)]));
    let conflict = |head| Committed::Conflict { head: Seq::new(head) };
    let answers = owner.commit(batch).await;
    let expected = [
        vec![Committed::Done],
        vec![Committed::Done; 2],
        vec![Committed::LeftOut, conflict(0)],
        vec![Committed::Done; 2],
        vec![Committed::Done],
        vec![conflict(0), Committed::LeftOut],
        vec![Committed::Done],
    ];
    assert_eq!(answers, expected.concat());
    assert_eq!(heads(&owner, [a, b, c]).await, [3, 2, 0]);
    assert_eq!(heads(&owner, [d, e, a]).await, [1, 1, 3]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// A read sees all of a group or nothing of it.
pub async fn reads_never_see_a_part_of_a_group(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    if !owner.store.groups() {
        return;
    }
    let [a, b] = owner.together(["a", "b"]);
    owner.done(group(1, vec![owner.put(&a, 0), owner.put(&b, 0)])).await;
    let both = |head| group(head, vec![owner.put(&a, head), owner.put(&b, head)]);
    let writes: Vec<_> = (1..200).map(|head| owner.store.commit(both(head))).collect();
    for write in writes {
        let query = ListQuery {
            namespace: a.namespace().clone(),
            kind: a.kind().clone(),
            prefix: String::new(),
            filter: None,
            order: None,
            after: None,
            limit: 10,
        };
        let page = owner.store.list(query).await.unwrap();
        assert_eq!(page.objects[0].seq, page.objects[1].seq);
        assert_eq!(page.objects[0].state, page.objects[1].state);
        assert_eq!(write.await.unwrap(), [Committed::Done; 2]);
    }
}

/// Objects that are not in one database are no group: it is refused whole, with what stands beside it.
pub async fn objects_that_cannot_be_together_are_refused(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, shards) = (key("a"), owner.store.shards());
    let apart = |b: &Key| !owner.store.together(&[a.shard(shards), b.shard(shards)]);
    let Some(b) = (0..999).map(|n| key(&n.to_string())).find(apart) else { return };
    owner.done(vec![owner.put(&a, 0), owner.put(&b, 0)]).await;
    let whole = group(1, vec![owner.put(&a, 1), owner.put(&b, 1)]);
    is_refused(&owner, whole, &[(&a, 1), (&b, 1)]).await;
}

/// A store without groups says so and changes nothing, not even what stands beside the group.
async fn is_refused(owner: &Owner, whole: Vec<Commit>, before: &[(&Key, u64)]) {
    let beside = owner.put(&key("beside"), 0);
    let batch = whole.into_iter().chain([beside]).collect();
    let refused = owner.store.commit(batch).await;
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    for (key, head) in before {
        assert_eq!(owner.head(key).await, *head, "{key}");
    }
    assert_eq!(owner.head(&key("beside")).await, 0);
}

fn group(number: u64, commits: Vec<Commit>) -> Vec<Commit> {
    commits.into_iter().map(|commit| Commit { group: Some(number), ..commit }).collect()
}

async fn heads(owner: &Owner, keys: [&Key; 3]) -> [u64; 3] {
    [owner.head(keys[0]).await, owner.head(keys[1]).await, owner.head(keys[2]).await]
}
