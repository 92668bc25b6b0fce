use std::time::Duration;

use abide::{ResetReason, Seq, prelude::*};

use super::{Counter, memory};

#[tokio::test]
async fn a_watcher_sees_every_change_as_a_patch() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    let mut changes = counter.changes(After::Now).await.unwrap();
    counter.increment(1).await.unwrap();
    counter.increment(2).key("k").await.unwrap();
    for (seq, count) in [(1, 1), (2, 3)] {
        let change = changes.next().await.unwrap().unwrap().change().unwrap();
        assert_eq!((change.seq.number(), &change.patch["count"]), (seq, &json!(count)));
        assert_eq!(change.cause.handler, "increment");
        assert_eq!(change.cause.key.is_some(), seq == 2);
    }
}

#[tokio::test]
async fn a_watcher_that_comes_later_gets_the_kept_changes_or_a_reset() {
    let abide = memory().await;
    let counter = abide.object::<Counter>("a");
    for _ in 0..30 {
        counter.increment(1).await.unwrap();
    }
    let mut changes = counter.changes(After::Seq(Seq::new(28))).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().seq().number(), 29);
    assert_eq!(changes.next().await.unwrap().unwrap().seq().number(), 30);
    let mut changes = counter.changes(After::Start).await.unwrap();
    match changes.next().await.unwrap().unwrap() {
        Update::Reset { reason, seq, state } => {
            assert_eq!((reason, seq.number()), (ResetReason::Trimmed, 30));
            assert_eq!(state.unwrap().value()["count"], 30);
        }
        Update::Change(change) => panic!("{change:?}"),
    }
    let mut ahead = counter.changes(After::Seq(Seq::new(99))).await.unwrap();
    assert!(matches!(ahead.next().await.unwrap().unwrap(), Update::Reset { reason: ResetReason::Ahead, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_watcher_misses_nothing_that_is_kept() {
    let abide = Abide::open("memory:").register::<Counter>().configure(|o| o.watch_buffer = 4).start().await.unwrap();
    let counter = abide.object::<Counter>("a");
    let mut changes = counter.changes(After::Now).await.unwrap();
    let writer = tokio::spawn({
        let counter = counter.clone();
        async move {
            for _ in 0..400 {
                counter.increment(1).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut at = 0;
    let mut count = 0;
    while at < 400 {
        let update = tokio::time::timeout(Duration::from_secs(5), changes.next()).await.unwrap().unwrap().unwrap();
        match &update {
            Update::Change(change) => {
                assert_eq!(change.seq.number(), at + 1);
                count = update.change().unwrap().patch["count"].as_i64().unwrap();
            }
            Update::Reset { seq, state, .. } => {
                assert!(seq.number() > at);
                count = state.as_ref().unwrap().value()["count"].as_i64().unwrap();
            }
        }
        at = update.seq().number();
        if at % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(count, 400);
    writer.await.unwrap();
}

#[derive(State, Default)]
pub struct Wall {
    text: String,
}

#[object(history = "all")]
impl Wall {
    #[handler]
    pub fn paint(&mut self, text: String) {
        self.text = text;
    }
}

#[tokio::test]
async fn watchers_far_behind_see_every_change_once_with_hardly_any_room_to_read_ahead() {
    let small = |options: &mut abide::NodeOptions| options.watch_bytes_total = 100_000;
    let abide = Abide::open("memory:").register::<Wall>().configure(small).start().await.unwrap();
    let wall = abide.object::<Wall>("a");
    let lengths: Vec<usize> = (1..=120).map(|n| if n % 7 == 0 { 70_000 + n } else { n * 100 }).collect();
    for length in &lengths {
        wall.paint("x".repeat(*length)).await.unwrap();
    }
    let mut watchers = Vec::new();
    for _ in 0..8 {
        watchers.push(wall.changes(After::Start).await.unwrap());
    }
    for (n, length) in lengths.iter().enumerate() {
        for changes in &mut watchers {
            let change = changes.next().await.unwrap().unwrap().change().unwrap();
            assert_eq!(change.seq.number(), n as u64 + 1);
            assert_eq!(change.patch["text"].as_str().map(str::len), Some(*length));
        }
    }
    wall.paint("last".into()).await.unwrap();
    for changes in &mut watchers {
        assert_eq!(changes.next().await.unwrap().unwrap().change().unwrap().patch["text"], "last");
    }
}
