//! Logs and snapshots.

use abide_core::{Json, Key, Seq, port::store::Commit};

use super::{
    Subject,
    fixture::{Owner, change, json, key},
};

/// Pages of changes follow one another without a gap, oldest first, and leave snapshots out.
pub async fn changes_are_paged_and_dense(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let mut snapped = change(3);
    snapped.snapshot = Some(json("{}"));
    let three = Commit { changes: vec![change(1), change(2), snapped], ..owner.put(&a, 0) };
    owner.done(vec![three, owner.put(&a, 3), owner.put(&a, 4)]).await;
    owner.grow(&key("b"), 3).await;
    assert_eq!(owner.seqs(&a, 0, 2).await, [1, 2]);
    assert_eq!(owner.seqs(&a, 2, 2).await, [3, 4]);
    assert_eq!(owner.seqs(&a, 4, 2).await, [5]);
    assert_eq!(owner.seqs(&a, 5, 2).await, [0u64; 0]);
    assert_eq!(owner.seqs(&a, u64::MAX, 2).await, [0u64; 0]);
    assert_eq!(owner.seqs(&a, 0, 0).await, [0u64; 0]);
    let page = owner.store.changes(&a, Seq::new(2), 2).await.unwrap();
    assert_eq!((page.head, page.floor), (Seq::new(5), Seq::ZERO));
    assert_eq!(page.changes, [change(3), change(4)]);
}

/// `trim` drops what is at or below it, never moves the floor back, and never beyond the head.
pub async fn trim_moves_the_floor(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    owner.grow(&a, 5).await;
    for (head, trim, floor) in [(5, 3, 3), (6, 1, 3), (7, 7, 7), (8, 100, 9)] {
        let commit = Commit { trim: Some(Seq::new(trim)), ..owner.put(&a, head) };
        owner.done(vec![commit]).await;
        let page = owner.store.changes(&a, Seq::ZERO, 99).await.unwrap();
        let kept: Vec<_> = page.changes.iter().map(|c| c.seq.number()).collect();
        assert_eq!(kept, (floor + 1..=head + 1).collect::<Vec<_>>());
        assert_eq!((page.head.number(), page.floor.number()), (head + 1, floor));
        assert_eq!(owner.load(&a).await.floor.number(), floor);
    }
    let only_trim = Commit { trim: Some(Seq::new(10)), ..owner.keep(&a, 10) };
    owner.done(vec![owner.put(&a, 9)]).await;
    owner.done(vec![only_trim]).await;
    assert_eq!(owner.seqs(&a, 0, 9).await, [0u64; 0]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// A commit that does not keep its changes moves head and floor, and older ones go as well.
pub async fn a_kind_without_history_keeps_no_changes_and_moves_its_floor(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    owner.grow(&a, 2).await;
    let forget = |head| Commit { keep_changes: false, ..owner.put(&a, head) };
    owner.done(vec![owner.put(&a, 2), forget(3)]).await;
    let page = owner.store.changes(&a, Seq::ZERO, 9).await.unwrap();
    assert_eq!((page.head, page.floor), (Seq::new(4), Seq::new(4)));
    assert_eq!(page.changes, []);
    owner.done(vec![forget(4), owner.put(&a, 5)]).await;
    assert_eq!(owner.seqs(&a, 0, 9).await, [6]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// The latest kept snapshot at or before a seq; trimmed ones are gone.
pub async fn snapshot_is_the_latest_at_or_before(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    for head in 0..9 {
        let mut commit = owner.put(&a, head);
        if head % 3 == 1 {
            commit.changes[0].snapshot = Some(state(head + 1));
        }
        owner.done(vec![commit]).await;
    }
    for (at, found) in [(1, None), (2, Some(2)), (4, Some(2)), (5, Some(5)), (99, Some(8))] {
        assert_eq!(snapshot(&owner, &a, at).await, found, "at {at}");
    }
    assert_eq!(snapshot(&owner, &a, u64::MAX).await, Some(8));
    let trim = Commit { trim: Some(Seq::new(5)), ..owner.put(&a, 9) };
    owner.done(vec![trim]).await;
    for (at, found) in [(4, None), (7, None), (8, Some(8))] {
        assert_eq!(snapshot(&owner, &a, at).await, found, "at {at} after the trim");
    }
}

fn state(seq: u64) -> Json {
    json(&format!(r#"{{"at":{seq}}}"#))
}

async fn snapshot(owner: &Owner, key: &Key, at: u64) -> Option<u64> {
    let found = owner.store.snapshot(key, Seq::new(at)).await.unwrap();
    found.map(|(seq, json)| {
        assert_eq!(json, state(seq.number()));
        seq.number()
    })
}
