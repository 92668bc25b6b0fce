//! The end: everything comes to rest, and the checkers look at what is there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abide_core::{
    Change, Clock, FeedPosition, Json, Key, Namespace, Seq, Store, Timestamp,
    port::store::{AlarmsQuery, FeedEntry, Loaded},
    state::decode,
};
use abide_node::Object;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::{
    goners,
    kinds::{AlarmNote, Metronome, Purse, Scratch},
    mover::PURSES,
    records::{Book, ScratchOp, key},
    scene::{Ask, Scene},
};
use crate::{
    check::{
        Outcome, Violation,
        alarms::{self, AlarmAct, AlarmEvent, Horizon, Stretch},
        effects::{self, Attempt},
        linearizability::{self, Counter, CounterOp, FnModel},
        outbox::{self, Message, Turn},
        streams::{self, StreamItem, Watch},
        transfers::{self, Entry},
    },
    world::{SimClock, Up, ready},
};

/// How long after its due time an alarm may fire in a sound world.
const GRACE: Duration = Duration::from_secs(60);
/// Within this time a sound world comes to rest.
const REST_MAX: Duration = Duration::from_secs(120);
/// Wall-clock times are counted from this long before the beginning, so that none is negative.
const BEFORE_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// The state of a ledger, of either kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct BookState {
    tokens: Vec<u64>,
    alarms: Vec<AlarmNote>,
    reminded: Vec<u64>,
    outgoing: Vec<(String, u64, bool)>,
    incoming: Vec<(String, u64)>,
    came: u64,
    left: u64,
}

pub(super) fn wall_ms(scene: &Scene) -> i64 {
    since_before(scene.clock.now())
}

fn since_before(at: Timestamp) -> i64 {
    at.as_millis() - SimClock::BEGINNING.as_millis() + BEFORE_MS
}

fn nanos(wall_ms: i64) -> u64 {
    u64::try_from(wall_ms).unwrap_or(0) * 1_000_000
}

pub(super) fn load(scene: &Scene, kind: &str, id: &str) -> Option<Loaded> {
    ready(scene.disk.data().load(&key(kind, id))).ok().flatten()
}

fn book_state(scene: &Scene, book: Book) -> Result<BookState, String> {
    let state = load(scene, book.kind, book.id).and_then(|loaded| loaded.state);
    state.map_or(Ok(BookState::default()), |state| {
        state.decode().map_err(|error| format!("the stored state of {book} cannot be read: {error}"))
    })
}

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
    let messages = ready(scene.disk.data().outbox(None, 10)).unwrap_or_default();
    restless.extend(messages.iter().map(|m| format!("message {} of {} to {}", m.id.n, m.id.sender, m.target)));
    let query = AlarmsQuery { key: None, namespace: Namespace::default(), dead: false, after: None, limit: 10 };
    let alarms = ready(scene.disk.data().alarms(query)).unwrap_or_default();
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

/// The feed names every change of every object once, in order.
fn feed(scene: &Scene) -> Option<String> {
    let mut heads: BTreeMap<Key, u64> = BTreeMap::new();
    let mut after = FeedPosition::ZERO;
    loop {
        let page = ready(scene.disk.data().feed(None, after, 1_000)).ok()?;
        for entry in &page.entries {
            let head = heads.entry(entry.key.clone()).or_default();
            if entry.first.number() != *head + 1 || entry.position <= after {
                let FeedEntry { key, first, position, .. } = entry;
                return Some(format!(
                    "the feed has a gap: {key} goes on at {first} after {head}, at position {position}"
                ));
            }
            *head = entry.last.number();
            after = entry.position;
        }
        if !page.more {
            break;
        }
    }
    let behind = heads.iter().find(|(key, head)| {
        let loaded = ready(scene.disk.data().load(key)).ok().flatten();
        loaded.is_none_or(|loaded| loaded.head.number() != **head)
    });
    behind.map(|(key, head)| format!("the feed ends at {head} for {key}, which is elsewhere"))
}

/// All checkers.
pub(super) fn judge(scene: &Scene, healed_ms: i64) -> Result<(), String> {
    let faults = ready(scene.disk.data().verify(10)).map_err(|error| error.to_string())?;
    if !faults.is_empty() {
        return Err(format!("the store is inconsistent: {}", faults.join("; ")));
    }
    let mut broken: Vec<String> = Vec::new();
    let mut odd: Vec<String> = Vec::new();
    let mut note = |result: Result<(), Violation>| broken.extend(result.err().map(|violation| violation.to_string()));
    let horizon = Horizon {
        healed_ns: nanos(healed_ms),
        grace_ns: u64::try_from(GRACE.as_nanos()).unwrap_or(u64::MAX),
        end_ns: nanos(wall_ms(scene)),
    };
    let ns = |at: Timestamp| nanos(since_before(at));
    let shown = scene.clock.shown().into_iter();
    let shown: Vec<_> = shown.map(|(from, until)| Stretch { from_ns: ns(from), until_ns: ns(until) }).collect();
    let records = scene.records.lock();
    for (book, record) in &records.books {
        let state = book_state(scene, *book)?;
        let name = book.to_string();
        let lossy = is_lossy(scene, *book);
        note(effects::check(&name, &known(&record.attempts, lossy), &state.tokens));
        note(effects::check(&format!("{name} (reminders)"), &known(&record.reminders, lossy), &state.reminded));
        if !lossy {
            note(linearizability::check(&name, &Counter, &record.history, linearizability::STEPS_MAX));
        }
        note(alarms::check(&name, &alarm_events(&state.alarms), &shown, horizon));
        odd.extend(strangers(&state.alarms).map(|what| format!("{name}: {what}")));
        odd.extend(goners::unwritten(scene, &name, state.came, state.left));
    }
    note(outbox(scene)?);
    for (book, watch) in &records.watches {
        note(stream(scene, *book, watch));
    }
    for (id, history) in &records.scratches {
        note(linearizability::check(&format!("Scratch/{id}"), &scratch_model(), history, linearizability::STEPS_MAX));
    }
    let purses = purses(scene);
    note(transfers::check(&purses, &records.audits));
    note(effects::check("the purses", &records.transfers, &transfers::tokens(&purses)));
    note(goners::flashes(scene, &records));
    broken.extend(odd);
    broken.extend(goners::lives(scene, &records));
    broken.extend(records.scratches.keys().filter_map(|id| ghosts(scene, id)));
    broken.extend(metronome(scene, healed_ms));
    broken.extend(feed(scene));
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// What was moved into each purse and out of it, in order.
fn purses(scene: &Scene) -> BTreeMap<String, Vec<Entry>> {
    let entries = |id: &str| {
        let state = load(scene, Purse::KIND, id)?.state?;
        let (purse, _) = decode::<Purse>(state.as_str()).ok()?;
        Some(purse.entries.into_iter().map(|(token, amount)| Entry { token, amount }).collect())
    };
    PURSES.iter().map(|id| (format!("{}/{id}", Purse::KIND), entries(id).unwrap_or_default())).collect()
}

/// Whether what this ledger acknowledged may have been undone.
fn is_lossy(scene: &Scene, book: Book) -> bool {
    book.is_lazy() && scene.plan.loses_what_is_not_durable()
}

/// What attempts prove: where acknowledged effects may be lost, an answer proves nothing.
fn known(attempts: &[Attempt], lossy: bool) -> Vec<Attempt> {
    let proves = |attempt: &Attempt| match &attempt.outcome {
        Outcome::Ok(_) if lossy => Attempt { outcome: Outcome::Unknown, ..attempt.clone() },
        Outcome::Ok(_) | Outcome::Failed | Outcome::Unknown => attempt.clone(),
    };
    attempts.iter().map(proves).collect()
}

/// The alarm notes of a ledger as the checker wants them.
fn alarm_events(notes: &[AlarmNote]) -> Vec<AlarmEvent> {
    let ns = |at: i64| nanos(since_before(Timestamp::from_millis(at)));
    let event = |note: &AlarmNote| match note {
        AlarmNote::Set { at, name, id, due, .. } => {
            AlarmEvent { at_ns: ns(*at), what: AlarmAct::Schedule { name: name.clone(), id: *id, due_ns: ns(*due) } }
        }
        AlarmNote::Cancelled { at, name } => {
            AlarmEvent { at_ns: ns(*at), what: AlarmAct::Cancel { name: name.clone() } }
        }
        AlarmNote::Fired { at, id, .. } => AlarmEvent { at_ns: ns(*at), what: AlarmAct::Fire { id: *id } },
    };
    notes.iter().map(event).collect()
}

/// Alarms that fired on behalf of somebody else than who set them.
fn strangers(notes: &[AlarmNote]) -> impl Iterator<Item = String> {
    let setters: BTreeMap<u64, &Option<String>> = notes
        .iter()
        .filter_map(|note| match note {
            AlarmNote::Set { id, who, .. } => Some((*id, who)),
            AlarmNote::Cancelled { .. } | AlarmNote::Fired { .. } => None,
        })
        .collect();
    notes.iter().filter_map(move |note| match note {
        AlarmNote::Fired { id, who, .. } => {
            let setter = setters.get(id).filter(|setter| **setter != who)?;
            Some(format!("alarm #{id} fired on behalf of {who:?}, but {setter:?} set it"))
        }
        AlarmNote::Set { .. } | AlarmNote::Cancelled { .. } => None,
    })
}

/// Messages of all ledgers: what durable turns sent against what receivers applied.
fn outbox(scene: &Scene) -> Result<Result<(), Violation>, String> {
    let (mut sent, mut applied) = (Vec::new(), Vec::new());
    for book in Book::ALL.into_iter().filter(|book| !is_lossy(scene, *book)) {
        let state = book_state(scene, book)?;
        let name = |id: &str| format!("{}/{id}", book.kind);
        for (to, n, refused) in state.outgoing {
            let turn = if refused { Turn::NeverDurable } else { Turn::Durable };
            sent.push((Message { sender: book.to_string(), receiver: name(&to), n }, turn));
        }
        for (from, n) in state.incoming {
            applied.push(Message { sender: name(&from), receiver: book.to_string(), n });
        }
    }
    Ok(outbox::check(&sent, &applied))
}

fn stream(scene: &Scene, book: Book, watch: &Watch) -> Result<(), Violation> {
    let loaded = load(scene, book.kind, book.id);
    let seq = loaded.as_ref().map_or(0, |loaded| loaded.head.number());
    let state = loaded.and_then(|loaded| loaded.state).map_or(Value::Object(Map::new()), |state| state.value());
    streams::check(&book.to_string(), watch, seq, &state, |state, change| {
        let change = Change::deserialize(change).map_err(|error| error.to_string())?;
        let fields = state.as_object_mut().ok_or("the state is not an object")?;
        change.apply(fields).map_err(|error| error.to_string())
    })
}

type ScratchStep = fn(&i64, &ScratchOp, Option<&i64>) -> Option<i64>;

fn scratch_model() -> FnModel<i64, ScratchOp, i64, ScratchStep> {
    FnModel::new(0, |count, op, answer| {
        let next = match op {
            ScratchOp::Add(amount) => count + amount,
            ScratchOp::Get => *count,
            ScratchOp::Delete => 0,
        };
        answer.is_none_or(|answer| *answer == next).then_some(next)
    })
}

/// Alarms of a life that was over.
fn ghosts(scene: &Scene, id: &str) -> Option<String> {
    let state = load(scene, Scratch::KIND, id)?.state?;
    let (scratch, _) = decode::<Scratch>(state.as_str()).ok()?;
    (scratch.ghosts > 0).then(|| format!("Scratch/{id}: {} alarms rang after the object was deleted", scratch.ghosts))
}

/// A repeating alarm fires at most once a period, and has not stopped.
fn metronome(scene: &Scene, healed_ms: i64) -> Option<String> {
    let loaded = load(scene, Metronome::KIND, "m")?;
    let (metronome, _) = decode::<Metronome>(loaded.state?.as_str()).ok()?;
    if loaded.alarms.is_empty() {
        return Some("Metronome/m: its repeating alarm is gone".into());
    }
    let ticks: Vec<i64> = metronome.ticks.iter().map(|at| since_before(Timestamp::from_millis(*at))).collect();
    let end_ms = wall_ms(scene);
    let late_ms = end_ms - ticks.iter().copied().max().unwrap_or(0).max(healed_ms);
    let grace_ms = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
    if late_ms > grace_ms {
        return Some(format!("Metronome/m: it has not ticked for {late_ms} ms"));
    }
    let jumped = scene.clock.was_set_back();
    let anchor_ms = since_before(Timestamp::from_millis(metronome.anchor));
    let period = |at_ms: i64| (at_ms - anchor_ms) / Metronome::PERIOD_MS;
    let twice = ticks.windows(2).find(|pair| period(pair[0]) == period(pair[1]) && !jumped);
    twice.map(|pair| format!("Metronome/m: it ticked at {} and {} ms, within one period", pair[0], pair[1]))
}
