//! Alarms, as their checker wants them, and what it does not know of: those of objects that were deleted
//! meanwhile, and the one that repeats.

use std::time::Duration;

use abide_core::{Clock, Timestamp, state::decode};
use abide_node::Object;

use super::{
    kinds::{Metronome, Scratch},
    notes::AlarmNote,
    scene::Scene,
    verdict::load,
};
use crate::{
    check::{
        Violation,
        alarms::{self, AlarmAct, AlarmEvent, Horizon, Stretch},
    },
    world::SimClock,
};

/// How long after its due time an alarm may fire in a sound world.
const GRACE: Duration = Duration::from_secs(60);
/// Wall-clock times are counted from this long before the beginning, so that none is negative.
const BEFORE_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// The wall clock now.
pub(super) fn wall_ms(scene: &Scene) -> i64 {
    since_before(scene.clock.now())
}

fn since_before(at: Timestamp) -> i64 {
    at.as_millis() - SimClock::BEGINNING.as_millis() + BEFORE_MS
}

fn nanos(wall_ms: i64) -> u64 {
    u64::try_from(wall_ms).unwrap_or(0) * 1_000_000
}

/// The alarms of a ledger.
pub(super) fn check(scene: &Scene, name: &str, notes: &[AlarmNote], healed_ms: i64) -> Result<(), Violation> {
    let horizon = Horizon {
        healed_ns: nanos(healed_ms),
        grace_ns: u64::try_from(GRACE.as_nanos()).unwrap_or(u64::MAX),
        // The world is at rest: what has not fired by now never will.
        end_ns: u64::MAX,
    };
    let ns = |at: Timestamp| nanos(since_before(at));
    let shown = scene.clock.shown().into_iter();
    let shown: Vec<_> = shown.map(|(from, until)| Stretch { from_ns: ns(from), until_ns: ns(until) }).collect();
    alarms::check(name, &events(notes), &shown, horizon)
}

/// The alarm notes of a ledger as the checker wants them.
fn events(notes: &[AlarmNote]) -> Vec<AlarmEvent> {
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

/// Alarms of a life that was over.
pub(super) fn ghosts(scene: &Scene, id: &str) -> Option<String> {
    let state = load(scene, Scratch::KIND, id)?.state?;
    let (scratch, _) = decode::<Scratch>(state.as_str()).ok()?;
    (scratch.ghosts > 0).then(|| format!("Scratch/{id}: {} alarms rang after the object was deleted", scratch.ghosts))
}

/// A repeating alarm fires at most once a period, and has not stopped.
pub(super) fn metronome(scene: &Scene, healed_ms: i64) -> Option<String> {
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
