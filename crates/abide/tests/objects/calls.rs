use std::time::Duration;

use abide::{Code, prelude::*};

use super::{Counter, TooLow, memory};

#[tokio::test]
async fn a_typed_call_and_a_call_by_names_meet_the_same_object() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    assert_eq!(counter.increment(5).await.unwrap(), 5);
    let n: i64 = abide.call("Counter", "a", "increment", json!({"amount": 2})).await.unwrap();
    assert_eq!(n, 7);
    let n: i64 = abide.call("Counter", "a", "increment", json!([3])).await.unwrap();
    assert_eq!(n, 10);
    assert_eq!(counter.get().await.unwrap(), 10);
}

#[tokio::test]
async fn a_reply_says_which_seq_it_reflects() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    for n in 1..5 {
        let reply = counter.increment(1).reply().await.unwrap();
        assert_eq!(reply.seq.number(), n);
    }
    assert_eq!(counter.get().reply().await.unwrap().seq.number(), 4);
}

#[tokio::test]
async fn a_rejection_rolls_back_and_brings_its_data() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(5).await.unwrap();
    let error = counter.take(8).await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected);
    assert_eq!(error.rejection::<TooLow>(), Some(TooLow { missing: 3 }));
    assert_eq!(error.detail(), "3 are missing");
    assert_eq!(counter.get().await.unwrap(), 5);
    assert_eq!(counter.take(5).await.unwrap(), 0);
}

#[tokio::test]
async fn a_panic_rolls_back_and_the_node_goes_on() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(5).await.unwrap();
    let error = counter.crash().await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert!(!error.detail().contains("on purpose"), "{error}");
    assert_eq!(counter.increment(1).await.unwrap(), 6);
}

#[tokio::test]
async fn a_turn_that_never_ends_is_undone_at_its_deadline() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(5).await.unwrap();
    let error = counter.never().timeout("50ms").await.unwrap_err();
    assert_eq!(error.code(), Code::Deadline);
    assert_eq!(counter.increment(1).await.unwrap(), 6);
}

#[tokio::test]
async fn turns_of_one_object_never_interleave() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move { counter.slow_add(1, 1).await.unwrap() })
        })
        .collect();
    let mut seen = Vec::new();
    for call in calls {
        seen.push(call.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=20).map(|n| n * 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn readers_run_beside_a_writer_on_the_state_they_began_with() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    counter.increment(5).await.unwrap();
    let reader = tokio::spawn({
        let counter = counter.clone();
        async move { counter.slow_get(200).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let started = std::time::Instant::now();
    assert_eq!(counter.increment(1).await.unwrap(), 6);
    assert!(started.elapsed() < Duration::from_millis(100));
    assert_eq!(reader.await.unwrap(), 5);
}

#[tokio::test]
async fn a_keyed_call_takes_effect_once() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let first = counter.increment(5).key("order-77").reply().await.unwrap();
    counter.increment(1).await.unwrap();
    let again = counter.increment(5).key("order-77").reply().await.unwrap();
    assert_eq!(first, again);
    assert_eq!(counter.get().await.unwrap(), 6);
    let other = counter.increment(6).key("order-77").await.unwrap_err();
    assert_eq!(other.code(), Code::Conflict);
    let rejected = counter.take(100).key("t").await.unwrap_err();
    counter.increment(1000).await.unwrap();
    assert_eq!(counter.take(100).key("t").await.unwrap_err(), rejected);
}

#[tokio::test]
async fn many_calls_with_one_key_at_once_take_effect_once() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move { counter.increment(1).key("k").await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert_eq!(counter.get().await.unwrap(), 1);
}

#[tokio::test]
async fn wrong_names_and_arguments_say_what_is_right() {
    let abide = memory().await;
    let code = |kind: &'static str, id: &'static str, handler: &'static str, args: serde_json::Value| {
        let call = abide.call::<i64>(kind, id, handler, args);
        async move { call.await.unwrap_err() }
    };
    let error = code("Countr", "a", "get", json!({})).await;
    assert_eq!(error.code(), Code::UnknownKind);
    assert!(error.detail().contains("did you mean \"Counter\""), "{error}");
    let error = code("Counter", "a", "incremnt", json!({})).await;
    assert_eq!(error.code(), Code::UnknownHandler);
    assert!(error.detail().contains("did you mean \"increment\""), "{error}");
    for args in [json!({"amount": "x"}), json!({"amount": 1, "more": 2}), json!({}), json!([1, 2]), json!(7)] {
        let error = code("Counter", "a", "increment", args.clone()).await;
        assert_eq!(error.code(), Code::BadRequest, "{args}");
        assert!(error.detail().contains("takes amount"), "{error}");
    }
    assert_eq!(code("Counter", "", "get", json!({})).await.code(), Code::BadRequest);
    assert!(abide.object::<Counter>("a").peek().await.unwrap().is_none());
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_loses_nothing() {
    let abide = Abide::open("memory:").register::<Counter>().configure(|o| o.mailbox = 10).start().await.unwrap();
    let counter = abide.object::<Counter>("a");
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let counter = counter.clone();
            tokio::spawn(async move { counter.slow_add(1, 2).await })
        })
        .collect();
    let mut accepted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => accepted += 2,
            Err(error) => assert_eq!(error.code(), Code::Overloaded),
        }
    }
    assert!((20..60).contains(&accepted), "{accepted}");
    assert_eq!(counter.get().await.unwrap(), accepted);
}

#[tokio::test]
async fn a_caller_that_is_gone_does_not_stop_its_turn_half_way() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let call = tokio::spawn({
        let counter = counter.clone();
        async move { counter.slow_add(1, 50).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    call.abort();
    assert_eq!(counter.get().await.unwrap(), 2);
}

#[tokio::test]
async fn a_key_recognises_its_call_however_the_arguments_are_written() {
    let abide = memory().await;
    for args in [json!({"amount": 5}), json!([5])] {
        let n: i64 = abide.call("Counter", "a", "increment", args).key("k").await.unwrap();
        assert_eq!(n, 5);
    }
    let counter = abide.object::<Counter>("a");
    assert_eq!(counter.increment(5).key("k").await.unwrap(), 5);
}

#[tokio::test]
async fn a_turn_that_was_undone_at_its_deadline_says_that_nothing_changed() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    for _ in 0..20 {
        let error = counter.never().timeout("5ms").await.unwrap_err();
        assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, false), "{error}");
    }
}
