//! Bugs that seeds have found, each cut down to what shows it.

#![allow(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "tests read the clock and spawn; handlers own their arguments"
)]

use std::{sync::Arc, time::Duration};

use abide_core::{Code, Json, Key, Kind, Namespace, Seq};
use abide_macros::{State, object};
use abide_node::{After, Context, NodeOptions, Object, Update};
use abide_sim::world::{Disk, Fate, Faults, Host, InFlight, SimClock, Trace, Up};
use tokio::time::sleep;

#[derive(State, Default)]
#[state(crate = abide_node)]
struct Note {
    lines: Vec<String>,
    rang: u32,
}

#[object(crate = abide_node)]
impl Note {
    #[handler]
    fn write(&mut self, line: String) -> usize {
        self.lines.push(line);
        self.lines.len()
    }

    #[handler]
    fn refuse(&mut self) -> Result<(), abide_core::Error> {
        Err(abide_core::Error::rejected("no"))
    }

    /// Sends its own name on, to be written down.
    #[handler]
    fn pass_on(&mut self, ctx: &mut Context, lines: Vec<String>) -> Result<(), abide_core::Error> {
        lines.into_iter().try_for_each(|line| ctx.send(Self::KIND, "receiver", "write", [line]))
    }

    /// Sets an alarm and changes nothing else.
    #[handler]
    fn remind(&mut self, ctx: &mut Context, ms: u64) {
        ctx.alarm("ring").after(Duration::from_millis(ms));
    }

    #[alarm]
    fn ring(&mut self) {
        self.rang += 1;
    }
}

/// Answers before it is durable.
#[derive(State, Default)]
#[state(crate = abide_node)]
struct Draft {
    count: u32,
}

#[object(crate = abide_node, history = 1, durability = "behind:10s")]
impl Draft {
    #[handler]
    fn count(&mut self) -> u32 {
        self.count += 1;
        self.count
    }
}

struct World {
    disk: Disk,
    host: Host,
}

/// A world without faults where operations take a millisecond each way.
fn world() -> World {
    let trace = Trace::new(false);
    let faults = Faults { delay_ms: 1..=1, ..Faults::none() };
    let disk = Disk::new(1, faults, trace.clone());
    let clock = Arc::new(SimClock::new(1));
    let host = Host::new(disk.clone(), clock, trace, NodeOptions::default(), |node| {
        node.register::<Note>().register::<Draft>()
    });
    World { disk, host }
}

fn key() -> Key {
    Key::new(&Namespace::default(), &Kind::new(Note::KIND).unwrap(), "n").unwrap()
}

impl World {
    /// The lines that are durable.
    async fn lines(&self) -> Vec<String> {
        self.lines_of(&key()).await
    }

    async fn lines_of(&self, key: &Key) -> Vec<String> {
        use abide_core::Store;
        let state: Option<Json> = self.disk.data().load(key).await.unwrap().and_then(|loaded| loaded.state);
        state.map_or_else(Vec::new, |state| serde_json::from_value(state.value()["lines"].clone()).unwrap())
    }
}

async fn write(up: &Arc<Up>, line: &str) -> Result<usize, abide_core::Error> {
    up.node.object::<Note>("n").write(line.to_owned()).await
}

/// A commit that only sets an alarm leaves the head where it is, so the seq of the commit behind it
/// fits even if it failed: that one was applied after its caller had been told that nothing changed.
#[tokio::test(start_paused = true)]
async fn what_was_issued_on_top_of_a_failed_commit_fails_with_it() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    world.disk.plan([Fate::Refused]);
    let note = up.node.object::<Note>("n");
    let (reminded, written) = tokio::join!(note.remind(50).into_future(), write(&up, "second"));
    assert_eq!(reminded.unwrap_err().code(), Code::Unavailable);
    let refused = written.unwrap_err();
    assert!(!refused.is_maybe_applied());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.lines().await, ["first"]);
    assert_eq!(write(&up, "third").await.unwrap(), 2);
}

/// A commit whose answer was lost was taken for applied because the object's head had moved on: but
/// another commit, built on the same head, had moved it.
#[tokio::test(start_paused = true)]
async fn a_lost_commit_is_not_taken_for_applied_because_of_what_came_after() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    world.disk.plan([Fate::UnknownLost]);
    let note = up.node.object::<Note>("n");
    let (reminded, _) = tokio::join!(note.remind(50).into_future(), write(&up, "second"));
    assert!(reminded.is_err_and(|error| error.is_maybe_applied()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(note.peek().await.unwrap().map(|found| found.state.rang), Some(0));
}

/// The same with another owner: it has moved the head while the first one asked what became of its own commit.
#[tokio::test(start_paused = true)]
async fn another_owners_commit_does_not_prove_ones_own() {
    let world = world();
    let old = world.host.start().await;
    write(&old, "first").await.unwrap();
    world.disk.set_faults(Faults { delay_ms: 50..=50, ..Faults::none() });
    world.disk.plan([Fate::UnknownLost]);
    let waiting = tokio::task::spawn({
        let old = old.clone();
        async move { write(&old, "of the old owner").await }
    });
    sleep(Duration::from_millis(1)).await;
    world.disk.set_faults(Faults::none());
    let new = world.host.start().await;
    write(&new, "of the new owner").await.unwrap();
    write(&new, "and another").await.unwrap();
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(world.lines().await, ["first", "of the new owner", "and another"]);
    world.host.crash(&old, InFlight::Delayed);
}

/// A change was applied, its answer lost, and the store away: watchers were never told of it.
#[tokio::test(start_paused = true)]
async fn a_watcher_hears_of_a_change_whose_answer_was_lost() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    let mut changes = up.node.watch(&key(), After::Now).await.unwrap();
    world.disk.plan([Fate::UnknownApplied]);
    let waiting = tokio::task::spawn({
        let up = up.clone();
        async move { write(&up, "second").await }
    });
    sleep(Duration::from_millis(1)).await;
    world.disk.set_faults(Faults::away());
    assert!(waiting.await.unwrap().is_err_and(|error| error.is_maybe_applied()));
    let told = tokio::time::timeout(Duration::from_secs(60), changes.next()).await.unwrap();
    assert!(told.is_some_and(|update| update.is_err()), "the log cannot be read now");
    world.disk.set_faults(Faults::none());
    let update = changes.next().await.unwrap().unwrap();
    assert!(matches!(update, Update::Change(change) if change.seq == Seq::new(2)));
}

/// The first try of a call with a key was applied and its answer lost, the last one found the store
/// away: the caller was told that nothing had changed.
#[tokio::test(start_paused = true)]
async fn a_retried_call_remembers_that_an_earlier_try_may_have_been_applied() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    world.disk.plan([Fate::UnknownApplied]);
    let waiting = tokio::task::spawn({
        let note = up.node.object::<Note>("n");
        async move { note.write("second".to_owned()).key("k").timeout("5s").await }
    });
    sleep(Duration::from_millis(2)).await;
    world.disk.set_faults(Faults::away());
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_maybe_applied(), "{error}");
    assert_eq!(world.lines().await, ["first", "second"]);
}

/// But a handler that ran, and failed, proves that no earlier try took effect.
#[tokio::test(start_paused = true)]
async fn a_refusal_at_last_means_that_nothing_was_applied() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    world.disk.plan([Fate::UnknownLost]);
    let error = up.node.object::<Note>("n").refuse().key("k").timeout("5s").await.unwrap_err();
    assert_eq!(error.code(), Code::Rejected);
    assert!(!error.is_maybe_applied());
}

/// A turn's messages were durable, but its answer was lost and the store away: nobody delivered them
/// until the node was restarted. And messages of the next turn overtook them, after which the receiver
/// took them for repeats.
#[tokio::test(start_paused = true)]
async fn messages_whose_commits_answer_was_lost_are_delivered_in_their_order() {
    let world = world();
    let up = world.host.start().await;
    write(&up, "first").await.unwrap();
    world.disk.plan([Fate::UnknownApplied]);
    let waiting = tokio::task::spawn({
        let note = up.node.object::<Note>("n");
        async move { note.pass_on(vec!["a".into(), "b".into()]).await }
    });
    sleep(Duration::from_millis(1)).await;
    world.disk.set_faults(Faults::away());
    assert!(waiting.await.unwrap().is_err_and(|error| error.is_maybe_applied()));
    world.disk.set_faults(Faults::none());
    up.node.object::<Note>("n").pass_on(vec!["c".into()]).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    let receiver = Key::new(&Namespace::default(), &Kind::new(Note::KIND).unwrap(), "receiver").unwrap();
    assert_eq!(world.lines_of(&receiver).await, ["a", "b", "c"]);
}

/// A watcher that fell out of history was reset to a state in memory that was never durable.
#[tokio::test(start_paused = true)]
async fn a_watcher_is_reset_to_what_is_durable() {
    let world = world();
    let up = world.host.start().await;
    let draft = up.node.object::<Draft>("d");
    for _ in 0..5 {
        draft.count().await.unwrap();
    }
    sleep(Duration::from_secs(11)).await;
    assert_eq!(draft.count().await.unwrap(), 6);
    let mut changes = draft.changes(After::Start).await.unwrap();
    let Some(Ok(Update::Reset { seq, state, .. })) = changes.next().await else { panic!("expected a reset") };
    assert_eq!((seq, state.unwrap().value()["count"].as_u64()), (Seq::new(5), Some(5)));
}

/// Whoever began to watch an object that was not there was told the seq that it had a moment later, when it
/// was there: its first change was missing from the stream, without a reset.
#[tokio::test(start_paused = true)]
async fn a_watch_that_begins_before_its_object_is_there_hears_of_its_first_change() {
    let world = world();
    let up = world.host.start().await;
    up.node.object::<Note>("n").refuse().await.unwrap_err();
    world.disk.set_faults(Faults { delay_ms: 50..=50, ..Faults::none() });
    let watching = tokio::task::spawn({
        let up = up.clone();
        async move { up.node.watch_state(&key()).await }
    });
    sleep(Duration::from_millis(1)).await;
    world.disk.set_faults(Faults::none());
    write(&up, "first").await.unwrap();
    let (state, mut changes) = watching.await.unwrap().unwrap();
    assert_eq!((state, changes.seq()), (None, Seq::ZERO));
    let told = tokio::time::timeout(Duration::from_secs(60), changes.next()).await.unwrap();
    assert!(matches!(told, Some(Ok(Update::Change(change))) if change.seq == Seq::new(1)));
}
