//! Following the feed.

use std::sync::{Arc, atomic::Ordering};

use abide::{
    Abide, Key, Store,
    projection::{Follow, ProjectionState},
    store::MemoryStore,
};
use tokio::sync::Semaphore;

use crate::totals::{Gauge, Shelf, Totals, Wallet, shelf};

async fn node(totals: Totals, store: &MemoryStore, model: &Shelf) -> Abide {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let node = Abide::over(store).register::<Wallet>().register::<Gauge>().project(totals, model.clone());
    node.start().await.unwrap()
}

#[tokio::test]
async fn each_change_is_in_the_model_once_and_in_order() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let abide = node(Totals::new(), &store, &model).await;
    for round in 1..=5 {
        for id in ["a", "b", "c"] {
            abide.object::<Wallet>(id).add(round).await.unwrap();
        }
    }
    abide.projections().caught_up("totals").await.unwrap();
    let book = model.value();
    assert_eq!(book.total(), 45);
    assert_eq!(book.events.values().sum::<i64>(), 45);
    let of_a: Vec<_> = book.lines.iter().filter(|line| line.starts_with('a')).collect();
    assert_eq!(of_a, ["a change 1", "a change 2", "a change 3", "a change 4", "a change 5"]);
    let status = abide.projections().get("totals").unwrap();
    assert_eq!((status.items, status.failures, status.build), (15, 0, 1));
    assert_eq!((status.state, status.error), (ProjectionState::Following, None));
}

#[tokio::test]
async fn a_node_that_starts_again_goes_on_where_the_model_is() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let abide = node(Totals::new(), &store, &model).await;
    abide.object::<Wallet>("a").add(1).await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    abide.abort();
    for round in 0..3 {
        let abide = node(Totals::new(), &store, &model).await;
        abide.object::<Wallet>("a").add(1).await.unwrap();
        abide.object::<Wallet>("b").add(1).await.unwrap();
        abide.projections().caught_up("totals").await.unwrap();
        assert_eq!(model.value().events.values().sum::<i64>(), 1 + 2 * (round + 1));
        abide.shutdown().await.unwrap();
    }
    assert_eq!(model.value().cleared, 1);
}

#[tokio::test]
async fn two_nodes_that_fill_one_model_count_nothing_twice() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let first = node(Totals::new(), &store, &model).await;
    first.projections().caught_up("totals").await.unwrap();
    // The second takes over the objects; the first goes on to read the feed.
    let second = node(Totals::new(), &store, &model).await;
    for n in 0..200 {
        second.object::<Wallet>(&(n % 7).to_string()).add(1).await.unwrap();
    }
    first.projections().caught_up("totals").await.unwrap();
    second.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().events.values().sum::<i64>(), 200);
    assert_eq!(model.value().lines.len(), 200);
}

#[tokio::test]
async fn what_keeps_no_changes_is_told_as_it_is() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let totals = Totals { kinds: vec!["Wallet", "Gauge"], ..Totals::new() };
    let abide = node(totals, &store, &model).await;
    for level in 1..=20 {
        abide.object::<Gauge>("g").set(level).await.unwrap();
    }
    abide.object::<Wallet>("a").add(5).await.unwrap();
    abide.object::<Wallet>("gone").add(5).await.unwrap();
    abide.object::<Wallet>("gone").close().await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    let book = model.value();
    assert_eq!(book.cents.get("g"), Some(&20));
    assert_eq!(book.cents.get("a"), Some(&5));
    assert_eq!(book.cents.get("gone"), None);
    assert_eq!(book.lines.last().unwrap(), "gone gone");
}

#[tokio::test]
async fn states_are_told_once_in_a_batch_however_often_an_object_changed() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let gate = Arc::new(Semaphore::new(1));
    let totals = Totals { follow: Follow::States, gate: Some(gate.clone()), ..Totals::new() };
    let abide = node(totals, &store, &model).await;
    abide.object::<Wallet>("a").add(1).await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    for _ in 0..50 {
        abide.object::<Wallet>("a").add(1).await.unwrap();
    }
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    abide.projections().caught_up("totals").await.unwrap();
    let book = model.value();
    assert_eq!(book.lines.first().unwrap(), "a is 1");
    assert_eq!(book.lines.last().unwrap(), "a is 51");
    assert!(book.lines.len() < 10, "{:?}", book.lines);
}

#[tokio::test]
async fn a_projection_that_hangs_holds_up_no_call() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let gate = Arc::new(Semaphore::new(0));
    let totals = Totals { gate: Some(gate.clone()), ..Totals::new() };
    let abide = node(totals, &store, &model).await;
    for n in 0..2_000 {
        abide.object::<Wallet>(&(n % 10).to_string()).add(1).await.unwrap();
    }
    assert_eq!(model.value().lines.len(), 0);
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().total(), 2_000);
}

#[tokio::test]
async fn a_batch_never_holds_more_than_its_limit() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let mut totals = Totals::new();
    totals.options.batch = 7;
    let abide = node(totals.clone(), &store, &model).await;
    let calls = (0..500).map(|n| {
        let wallet = abide.object::<Wallet>(&(n % 3).to_string());
        async move { wallet.add(1).await }
    });
    for done in futures_util::future::join_all(calls).await {
        done.unwrap();
    }
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().events.values().sum::<i64>(), 500);
    assert!(totals.largest.load(Ordering::SeqCst) <= 7);
}

#[tokio::test]
async fn two_projections_follow_each_at_its_own_pace() {
    struct Other(Totals);
    impl abide::projection::Project for Other {
        const NAME: &'static str = "other";
        type Model = Shelf;
        fn kinds(&self) -> Vec<&'static str> {
            self.0.kinds()
        }
        fn options(&self) -> abide::projection::ProjectionOptions {
            self.0.options()
        }
        async fn clear(
            &self,
            tx: &mut abide::projection::MemoryTx<crate::totals::Book>,
        ) -> abide::projection::ProjectResult {
            self.0.clear(tx).await
        }
        async fn apply(
            &self,
            tx: &mut abide::projection::MemoryTx<crate::totals::Book>,
            batch: &abide::projection::Batch,
        ) -> abide::projection::ProjectResult {
            self.0.apply(tx, batch).await
        }
    }
    let (fast, slow) = (shelf(), shelf());
    let gate = Arc::new(Semaphore::new(0));
    let held = Totals { gate: Some(gate.clone()), ..Totals::new() };
    let abide = Abide::open("memory:").register::<Wallet>().project(Totals::new(), fast.clone());
    // Both could also share one model: notes are kept by name.
    let abide = abide.project(Other(held), slow.clone()).start().await.unwrap();
    abide.object::<Wallet>("a").add(3).await.unwrap();
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!((fast.value().total(), slow.value().total()), (3, 0));
    gate.add_permits(100);
    abide.projections().caught_up("other").await.unwrap();
    assert_eq!(slow.value().total(), 3);
    let names: Vec<_> = abide.projections().list().into_iter().map(|status| status.name).collect();
    assert_eq!(names, ["totals", "other"]);
}

#[tokio::test]
async fn objects_of_every_namespace_are_told_with_their_keys() {
    let (store, model) = (MemoryStore::new(16), shelf());
    let abide = node(Totals::new(), &store, &model).await;
    for tenant in ["acme", "zoo"] {
        let key = Key::parse(tenant, "Wallet", &format!("{tenant}/1")).unwrap();
        abide.call_key(&key, "add", abide::Json::parse("[4]").unwrap()).await.unwrap();
    }
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().cents.keys().collect::<Vec<_>>(), ["acme/1", "zoo/1"]);
}

#[tokio::test]
async fn mistakes_are_reported_at_the_start() {
    let start = |kinds: Vec<&'static str>, twice: bool| async move {
        let totals = Totals { kinds, ..Totals::new() };
        let mut abide = Abide::open("memory:").register::<Wallet>().project(totals.clone(), shelf());
        if twice {
            abide = abide.project(totals, shelf());
        }
        abide.start().await.map(drop).unwrap_err().to_string()
    };
    assert!(start(vec!["Nothing"], false).await.contains("\"Nothing\", which is not registered"));
    assert!(start(vec![], false).await.contains("follows no kind"));
    assert!(start(vec!["Wallet"], true).await.contains("two projections are called \"totals\""));
}
