//! Cleaning, status and verification.

use abide_core::port::store::{Alarm, Commit};

use super::{
    Subject,
    fixture::{Owner, alarm, at, key, message, named, outcome},
};

/// `clean` removes at most so many rows at once and says how many; repeated, it comes to an end.
pub async fn clean_removes_at_most_its_limit(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let expired = (0..5).map(|n| outcome("me", &n.to_string(), 1)).collect();
    let put = Commit { outcomes: expired, ..owner.put(&key("a"), 0) };
    owner.done(vec![put]).await;
    let mut removed = Vec::new();
    for _ in 0..4 {
        removed.push(owner.store.clean(at(9), 2).await.unwrap());
    }
    assert_eq!(removed, [2, 2, 1, 0]);
}

/// Status counts objects by kind without graves, and everything that is kept.
pub async fn status_counts_what_is_there(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let (a, b) = (key("a"), named("other", "Account", "b"));
    let dead = Alarm { dead: Some("gave up".into()), ..alarm("dead", 1) };
    let full = Commit {
        outbox: vec![message(&a, 1, &b)],
        outcomes: vec![outcome("me", "k", 1)],
        ..owner.alarms(&a, 0, vec![alarm("x", 1), alarm("y", 1), dead])
    };
    owner.done(vec![full, owner.put(&a, 1), owner.put(&b, 0)]).await;
    owner.done(vec![owner.put(&key("gone"), 0), owner.delete(&key("gone"), 1)]).await;
    let status = owner.store.status().await.unwrap();
    assert_eq!(status.store, owner.store.name());
    assert_eq!(status.objects, [("Account".into(), 1), ("Counter".into(), 1)]);
    assert_eq!((status.changes, status.outbox, status.outcomes), (3, 1, 1));
    assert_eq!((status.alarms, status.dead_alarms), (2, 1));
}

/// A store has a ULID from its creation on, so that positions of another store are told apart.
pub async fn the_store_keeps_the_id_it_was_created_with(subject: &mut dyn Subject) {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let owner = Owner::open(subject).await;
        ids.push(owner.store.status().await.unwrap().id);
    }
    assert_eq!(ids[0], ids[1]);
    let is_ulid = |id: &str| id.len() == 26 && id.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    assert!(is_ulid(&ids[0]), "{:?}", ids[0]);
}

/// A store that went through everything has no faults.
pub async fn verify_finds_nothing_in_a_store_that_was_used_well(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    for n in 0..20 {
        let key = key(&n.to_string());
        owner.grow(&key, n).await;
        if n % 3 == 0 {
            owner.done(vec![owner.alarms(&key, n, vec![alarm("x", 1)])]).await;
        } else if n % 3 == 1 {
            owner.done(vec![owner.delete(&key, n)]).await;
        }
    }
    owner.commit(vec![owner.put(&key("3"), 99)]).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}
