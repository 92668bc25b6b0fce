//! Coming to rest: in a sound world everything that is under way ends, and everything can be read.

use std::{sync::Arc, time::Duration};

use abide_core::{Json, Namespace, Seq, Store, port::store::AlarmsQuery};
use abide_node::Object;
use tokio::time::sleep;

use super::{
    kinds::Metronome,
    records::Book,
    scene::{Ask, Scene},
    verdict::load,
};
use crate::{
    check::{
        Outcome,
        linearizability::CounterOp,
        streams::{StreamItem, Watch},
    },
    world::{Up, ready},
};

/// Within this time a sound world comes to rest.
const REST_MAX: Duration = Duration::from_secs(120);

/// Waits until nothing is under way any more.
pub(super) async fn converge(scene: &Arc<Scene>) -> Result<(), String> {
    const STEP: Duration = Duration::from_millis(500);
    let until = scene.clock.elapsed() + REST_MAX;
    let mut restless = Vec::new();
    while scene.clock.elapsed() < until {
        restless = unrest(scene);
        if restless.is_empty() {
            return Ok(());
        }
        sleep(STEP).await;
    }
    // Alarms and watchers have checkers of their own, which say more.
    restless.retain(|what| !what.starts_with("alarm") && !what.starts_with("watcher"));
    if restless.is_empty() {
        return Ok(());
    }
    Err(format!("the world does not come to rest within {REST_MAX:?}: {}", restless.join("; ")))
}

/// What is still under way.
fn unrest(scene: &Scene) -> Vec<String> {
    let mut restless = Vec::new();
    let messages = ready(scene.disk.data().outbox(None, 10)).unwrap_or_default().messages;
    restless.extend(messages.iter().map(|m| format!("message {} of {} to {}", m.id.n, m.id.sender, m.target)));
    let query = AlarmsQuery { key: None, namespace: Namespace::default(), dead: false, after: None, limit: 10 };
    let alarms = ready(scene.disk.data().alarms(query)).unwrap_or_default().alarms;
    let pending = alarms.iter().filter(|due| due.key.kind().as_str() != Metronome::KIND && due.alarm.dead.is_none());
    restless.extend(pending.map(|due| format!("alarm {} of {}", due.alarm.name, due.key)));
    if let Some(up) = scene.host.up() {
        let messages = up.node.messages_under_way();
        restless.extend((messages > 0).then(|| format!("{messages} messages in the node's memory")));
    }
    for (book, watch) in &scene.records.lock().watches {
        let head = load(scene, book.kind, book.id).map_or(0, |loaded| loaded.head.number());
        if seen(watch) < head {
            restless.push(format!("{} of {book} is at {} of {head}", watch.watcher, seen(watch)));
        }
    }
    restless
}

fn seen(watch: &Watch) -> u64 {
    watch.items.last().map_or(watch.seq, |item| match item {
        StreamItem::Change { seq, .. } | StreamItem::Reset { seq, .. } => *seq,
    })
}

/// Reads every object once more, through the node: in a sound world this must succeed.
pub(super) async fn last_reads(scene: &Arc<Scene>) -> Result<(), String> {
    let up = scene.host.when_up().await;
    for book in Book::ALL {
        let call = scene.records.lock().book(book).history.called(0, CounterOp::Get, scene.now_ns());
        let ask = Ask { kind: book.kind, id: book.id, handler: "get", args: (), timeout_ms: 20_000, key: None };
        let outcome: Outcome<i64> = scene.ask(0, &up, ask).await;
        let answered = outcome.is_acknowledged();
        scene.records.lock().book(book).ended(call, outcome, scene.now_ns());
        if !answered {
            return Err(format!("{book} cannot be read although nothing fails any more"));
        }
        if let Some((seq, state)) = agreed(scene, &up, book).await? {
            travel(&up, book, seq, &state).await?;
        }
    }
    Ok(())
}

/// What the node shows is what the store holds; where it answers before it is durable, a little later.
async fn agreed(scene: &Scene, up: &Arc<Up>, book: Book) -> Result<Option<(Seq, Json)>, String> {
    const BEHIND_MAX: Duration = Duration::from_secs(2);
    let until = scene.clock.elapsed() + BEHIND_MAX;
    loop {
        let shown = up.node.snapshot(&book.key()).await.map_err(|e| format!("{book} has no snapshot: {e}"))?;
        let shown = shown.map(|shown| (shown.seq, shown.state));
        let stored = load(scene, book.kind, book.id).and_then(|stored| Some((stored.head, stored.state?)));
        if shown == stored {
            return Ok(stored);
        }
        if !book.is_lazy() || scene.clock.elapsed() >= until {
            return Err(format!("{book}: the node shows {shown:?}, the store holds {stored:?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The state as it was at the end, rebuilt from snapshots and changes, is the state.
async fn travel(up: &Arc<Up>, book: Book, seq: Seq, state: &Json) -> Result<(), String> {
    match up.node.state_at(&book.key(), seq).await {
        Ok(found) if found.state.value() == state.value() => Ok(()),
        Ok(found) => Err(format!("{book}: rebuilt from its changes it is {}, it is {state}", found.state)),
        Err(error) => Err(format!("{book}: its state at {seq} cannot be rebuilt: {error}")),
    }
}
