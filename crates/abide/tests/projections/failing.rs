//! What fails, and is not left out.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use abide::{
    Abide,
    projection::{ProjectionState, ProjectionStatus, Projections},
};
use tokio::sync::Semaphore;

use crate::totals::{Totals, Wallet, shelf};

/// Waits until the projection looks as it should.
async fn until(projections: &Projections, wanted: impl Fn(&ProjectionStatus) -> bool) -> ProjectionStatus {
    loop {
        let status = projections.get("totals").unwrap();
        if wanted(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_poisonous_batch_is_named_and_waited_for_and_nothing_is_left_out() {
    for panics in [false, true] {
        let model = shelf();
        let totals = Totals::new();
        totals.panics.store(panics, Ordering::SeqCst);
        *totals.poison.lock() = Some("bad".into());
        let abide = Abide::open("memory:").register::<Wallet>().project(totals.clone(), model.clone());
        let abide = abide.start().await.unwrap();
        for id in ["a", "bad", "b"] {
            abide.object::<Wallet>(id).add(1).await.unwrap();
        }
        let failing = |status: &ProjectionStatus| {
            let error = status.error.as_deref().unwrap_or_default();
            status.state == ProjectionState::Failing && error.starts_with("seq 1 of Wallet/bad could not be applied")
        };
        let status = until(&abide.projections(), failing).await;
        assert!(status.failures > 0);
        let why = if panics { "it panicked: poisoned by bad" } else { "bad cannot be counted" };
        assert!(status.error.unwrap().contains(why));
        until(&abide.projections(), |status| status.items == 1 && status.lag > Duration::ZERO).await;
        assert_eq!(model.value().lines, ["a change 1"], "what comes before is there, what comes after waits");
        *totals.poison.lock() = None;
        abide.projections().caught_up("totals").await.unwrap();
        assert_eq!(model.value().lines, ["a change 1", "bad change 1", "b change 1"]);
        let status = until(&abide.projections(), |status| status.lag == Duration::ZERO).await;
        assert_eq!((status.state, status.error), (ProjectionState::Following, None));
    }
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_undone_and_tried_again() {
    let model = shelf();
    let gate = Arc::new(Semaphore::new(0));
    let mut totals = Totals { gate: Some(gate.clone()), ..Totals::new() };
    totals.options.timeout = Duration::from_millis(30);
    let abide = Abide::open("memory:").register::<Wallet>().project(totals, model.clone()).start().await.unwrap();
    abide.object::<Wallet>("a").add(1).await.unwrap();
    let status = until(&abide.projections(), |status| status.failures >= 2).await;
    assert!(status.error.unwrap().contains("took longer than 30ms"));
    gate.add_permits(1_000);
    abide.projections().caught_up("totals").await.unwrap();
    assert_eq!(model.value().lines, ["a change 1"]);
}

#[tokio::test]
async fn a_node_stops_while_a_projection_fails() {
    let totals = Totals::new();
    *totals.poison.lock() = Some("a".into());
    let abide = Abide::open("memory:").register::<Wallet>().project(totals, shelf()).start().await.unwrap();
    abide.object::<Wallet>("a").add(1).await.unwrap();
    until(&abide.projections(), |status| status.failures >= 1).await;
    abide.shutdown().await.unwrap();
    let error = abide.projections().caught_up("totals").await.unwrap_err();
    assert!(error.to_string().contains("stop"), "{error}");
}
