//! The end: the checkers look at what is there.

use std::collections::BTreeMap;

use abide_core::{Change, Store, port::store::Loaded, state::decode};
use abide_node::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    errands::Errands,
    failure::Failure,
    feed, goners,
    kinds::Purse,
    mover::PURSES,
    notes::BookState,
    records::{Book, BookRecord, Records, ScratchOp, key},
    rings,
    scene::Scene,
};
use crate::{
    check::{
        Outcome, Violation,
        effects::{self, Attempt},
        linearizability::{self, Counter, FnModel, STEPS_MAX},
        outbox::{self, Message, Turn},
        streams::{self, Watch},
        transfers::{self, Entry},
    },
    world::ready,
};

/// What the disk holds of an object.
pub(super) fn load(scene: &Scene, kind: &str, id: &str) -> Option<Loaded> {
    ready(scene.disk.data().load(&key(kind, id))).ok().flatten()
}

/// All checkers, and what they found.
///
/// # Errors
/// With a sentence, if what is there cannot be read.
pub(super) fn judge(scene: &Scene, healed_ms: i64) -> Result<Vec<Failure>, String> {
    let records = scene.records.lock();
    let faults = ready(scene.disk.data().verify(10)).map_err(|error| error.to_string())?;
    let mut states = BTreeMap::new();
    for book in Book::ALL {
        states.insert(book, BookState::read(scene, book)?);
    }
    let mut found = Vec::new();
    ledgers(scene, &records, &states, healed_ms, &mut found);
    found.push(messages(scene, &states));
    found.extend(records.watches.iter().map(|(book, watch)| stream(scene, *book, watch)));
    for (id, history) in &records.scratches {
        found.push(linearizability::check(&format!("Scratch/{id}"), &scratch_model(), history, STEPS_MAX));
    }
    let purses = purses(scene);
    found.push(transfers::check(&purses, &records.audits));
    found.push(effects::check("the purses", &records.transfers, &transfers::tokens(&purses)));
    found.push(goners::flashes(scene, &records));
    found.push(goners::lives(scene, &records));
    let broken = found.into_iter().filter_map(Result::err).map(Failure::Broken);
    let mut odd: Vec<String> = records.scratches.keys().filter_map(|id| rings::ghosts(scene, id)).collect();
    odd.extend(rings::metronome(scene, healed_ms));
    odd.extend(feed::gap(scene));
    odd.extend((!faults.is_empty()).then(|| format!("the store is inconsistent: {}", faults.join("; "))));
    Ok(broken.chain(odd.into_iter().map(Failure::Odd)).collect())
}

/// What holds for each ledger.
fn ledgers(
    scene: &Scene,
    records: &Records,
    states: &BTreeMap<Book, BookState>,
    healed_ms: i64,
    found: &mut Vec<Result<(), Violation>>,
) {
    let none = BookRecord::default();
    let books = states.iter().map(|(book, state)| (*book, state, records.books.get(book).unwrap_or(&none)));
    let errands = Errands::new(books.clone());
    for (book, state, record) in books {
        let (name, lossy) = (book.to_string(), is_lossy(scene, book));
        found.push(effects::check(&name, &known(&record.attempts, lossy), &state.tokens));
        found.push(effects::check(&format!("{name} (reminders)"), &known(&record.reminders, lossy), &state.reminded));
        if !lossy {
            found.push(linearizability::check(&name, &Counter, &record.history, STEPS_MAX));
        }
        found.push(rings::check(scene, &name, &state.alarms, healed_ms));
        found.push(errands.check(book, state));
        found.push(goners::unwritten(scene, &name, state.came, state.left));
    }
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

/// Messages of all ledgers: what durable turns sent against what receivers applied.
fn messages(scene: &Scene, states: &BTreeMap<Book, BookState>) -> Result<(), Violation> {
    let (mut sent, mut applied) = (Vec::new(), Vec::new());
    for (book, state) in states.iter().filter(|(book, _)| !is_lossy(scene, **book)) {
        let name = |id: &str| format!("{}/{id}", book.kind);
        for message in &state.outgoing {
            let turn = if message.refused { Turn::NeverDurable } else { Turn::Durable };
            sent.push((Message { sender: book.to_string(), receiver: name(&message.to), n: message.n }, turn));
        }
        for message in &state.incoming {
            applied.push(Message { sender: name(&message.from), receiver: book.to_string(), n: message.n });
        }
    }
    outbox::check(&sent, &applied)
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
