//! Filling a model: for the first time, again, after a gap, and never from another store.

use std::{sync::Arc, time::Duration};

use abide::{
    Abide, Store, Timestamp,
    projection::{OnGap, ProjectionState},
    store::MemoryStore,
};
use tokio::sync::Semaphore;

use crate::totals::{Gauge, Shelf, Totals, Wallet, shelf};

async fn node(totals: Totals, store: &MemoryStore, model: &Shelf) -> Abide {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let node = Abide::over(store).register::<Wallet>().register::<Gauge>().project(totals, model.clone());
    node.start().await.unwrap()
}

/// A store with objects, whose feed keeps only its last two entries.
async fn trimmed() -> MemoryStore {
    let store = MemoryStore::with_feed_keep(16, 2);
    let abide = Abide::over(Arc::new(store.clone())).register::<Wallet>().start().await.unwrap();
    for n in 0..20 {
        abide.object::<Wallet>(&n.to_string()).add(n).await.unwrap();
    }
    abide.object::<Wallet>("19").close().await.unwrap();
    store.clean(Timestamp::EPOCH, 1_000).await.unwrap();
    abide.shutdown().await.unwrap();
    store
}

#[tokio::test]
async fn a_rebuild_goes_through_the_whole_feed_again_while_calls_go_on() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let abide = node(Totals::new(), &store, &model).await;
    for n in 0..100 {
        abide.object::<Wallet>(&(n % 10).to_string()).add(1).await.unwrap();
    }
    abide.projections().caught_up("totals").await.unwrap();
    let calling = {
        let abide = abide.clone();
        tokio::spawn(async move {
            for n in 0..300 {
                abide.object::<Wallet>(&(n % 10).to_string()).add(1).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    abide.projections().rebuild("totals").unwrap();
    calling.await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    let book = model.value();
    assert_eq!((book.total(), book.events.values().sum::<i64>()), (400, 400));
    assert_eq!((book.lines.len(), book.cleared), (400, 2));
    assert_eq!(abide.projections().get("totals").unwrap().build, 2);
    let error = abide.projections().rebuild("nothing").unwrap_err();
    assert_eq!(error.code(), abide::Code::NotFound);
    assert!(error.to_string().contains("it has totals"), "{error}");
}

#[tokio::test]
async fn where_the_feed_does_not_reach_back_the_model_is_filled_from_the_objects() {
    let (store, model) = (trimmed().await, shelf());
    let mut totals = Totals::new();
    totals.options.batch = 3;
    let abide = node(totals, &store, &model).await;
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().total(), (0..19).sum::<i64>());
    assert!(model.value().lines.iter().all(|line| line.contains(" is ")), "{:?}", model.value().lines);
    abide.object::<Wallet>("3").add(100).await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().lines.last().unwrap(), "3 change 2");
    assert_eq!(model.value().total(), (0..19).sum::<i64>() + 100);
}

#[tokio::test]
async fn objects_that_change_while_they_are_listed_are_counted_once() {
    for round in 0..20 {
        let (store, model) = (trimmed().await, shelf());
        let gate = Arc::new(Semaphore::new(2));
        let mut totals = Totals { gate: Some(gate.clone()), ..Totals::new() };
        totals.options.batch = 1 + round % 4;
        let abide = node(totals, &store, &model).await;
        // Some objects change before they are listed, others after; one is new, one goes.
        for n in 0..19 {
            abide.object::<Wallet>(&n.to_string()).add(1_000).await.unwrap();
            gate.add_permits(1);
            tokio::time::sleep(Duration::from_micros(300 * u64::try_from(round).unwrap())).await;
        }
        abide.object::<Wallet>("new").add(7).await.unwrap();
        abide.object::<Wallet>("5").close().await.unwrap();
        gate.add_permits(1_000_000);
        for n in (0..19).filter(|n| *n != 5) {
            abide.object::<Wallet>(&n.to_string()).add(1).await.unwrap();
        }
        abide.projections().caught_up("totals").await.unwrap();
        let expected: i64 = (0..19).filter(|n| *n != 5).map(|n| n + 1_001).sum::<i64>() + 7;
        let book = model.value();
        assert_eq!(book.total(), expected, "round {round}: {:?}", book.lines);
        // Nobody hears of a change that a state already held.
        for id in (0..19).map(|n| n.to_string()) {
            let changes: Vec<_> = book.lines.iter().filter(|line| line.starts_with(&format!("{id} change"))).collect();
            let mut told = changes.clone();
            told.dedup();
            assert_eq!(changes, told, "round {round}");
        }
        abide.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_listing_that_was_broken_off_goes_on_where_it_was() {
    let (store, model) = (trimmed().await, shelf());
    for _ in 0..6 {
        let gate = Arc::new(Semaphore::new(4));
        let mut totals = Totals { gate: Some(gate), ..Totals::new() };
        totals.options.batch = 1;
        let abide = node(totals, &store, &model).await;
        let before = model.value().lines.len();
        while model.value().lines.len() < (before + 3).min(19) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        abide.abort();
    }
    let abide = node(Totals::new(), &store, &model).await;
    abide.projections().caught_up("totals").await.unwrap();
    let book = model.value();
    assert_eq!((book.lines.len(), book.cleared), (19, 1), "{:?}", book.lines);
}

#[tokio::test]
async fn news_that_were_missed_for_good_lead_to_a_rebuild_or_to_a_stop() {
    for on_gap in [OnGap::Rebuild, OnGap::Stop] {
        let (store, model) = (MemoryStore::with_feed_keep(16, 2), shelf());
        let abide = node(Totals::new().on_gap(on_gap), &store, &model).await;
        abide.object::<Wallet>("a").add(1).await.unwrap();
        abide.projections().caught_up("totals").await.unwrap();
        abide.shutdown().await.unwrap();
        // Nobody follows meanwhile.
        let abide = Abide::over(Arc::new(store.clone())).register::<Wallet>().start().await.unwrap();
        for n in 0..20 {
            abide.object::<Wallet>(&n.to_string()).add(1).await.unwrap();
        }
        store.clean(Timestamp::EPOCH, 1_000).await.unwrap();
        abide.shutdown().await.unwrap();
        let abide = node(Totals::new().on_gap(on_gap), &store, &model).await;
        let reached = abide.projections().caught_up("totals").await;
        if on_gap == OnGap::Rebuild {
            reached.unwrap();
        } else {
            let error = reached.unwrap_err().to_string();
            assert!(error.contains("`abide projections rebuild totals`"), "{error}");
            assert_eq!(abide.projections().get("totals").unwrap().state, ProjectionState::Stopped);
            assert_eq!(model.value().lines, ["a change 1"]);
            abide.projections().rebuild("totals").unwrap();
            abide.projections().caught_up("totals").await.unwrap();
        }
        assert_eq!((model.value().total(), model.value().cleared), (21, 2));
    }
}

#[tokio::test]
async fn a_model_of_another_store_is_left_alone_until_a_rebuild_is_asked_for() {
    let model = shelf();
    let first = node(Totals::new(), &MemoryStore::new(16), &model).await;
    first.object::<Wallet>("a").add(1).await.unwrap();
    first.projections().caught_up("totals").await.unwrap();
    first.shutdown().await.unwrap();

    let second = node(Totals::new(), &MemoryStore::new(16), &model).await;
    second.object::<Wallet>("b").add(5).await.unwrap();
    let error = second.projections().caught_up("totals").await.unwrap_err();
    assert!(error.to_string().contains("the model holds the feed of the store"), "{error}");
    assert!(error.to_string().contains("`abide projections rebuild totals`"), "{error}");
    assert_eq!(model.value().lines, ["a change 1"]);
    second.projections().rebuild("totals").unwrap();
    second.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().lines, ["b change 1"]);
}
