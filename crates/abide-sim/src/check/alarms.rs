//! Every alarm fires once, not before it is due, and not too long after.
//!
//! The object under test keeps an append-only list of what its committed turns did with alarms, in
//! the order of their commits: scheduled, cancelled, fired. Because the list is part of its state,
//! turns that were never durable leave nothing in it.

use std::collections::BTreeMap;

use super::violation::{At, Fault, Finding, Promise, Violation};

/// What a committed turn did with an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmEvent {
    /// When the turn ran, in virtual nanoseconds of the clock that decides what is due.
    pub at_ns: u64,
    /// What it did.
    pub what: AlarmAct,
}

/// Scheduled, cancelled or fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmAct {
    /// Scheduled the alarm `name`, in place of the one of that name that was pending, if any.
    Schedule {
        /// The alarm's name.
        name: String,
        /// Tells this scheduling from every other on the object; travels in the alarm's payload.
        id: u64,
        /// When it is due, in virtual nanoseconds.
        due_ns: u64,
    },
    /// Cancelled the pending alarm `name`; nothing if there is none.
    Cancel {
        /// The alarm's name.
        name: String,
    },
    /// Was the firing of the alarm scheduled as `id`, and applied its effect.
    Fire {
        /// Which scheduling fired.
        id: u64,
    },
}

/// By when alarms must have fired: `grace_ns` after they are due, scheduled and faults have
/// stopped, whichever comes last. Alarms whose time to fire goes beyond `end_ns` need not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// When faults stopped.
    pub healed_ns: u64,
    /// How long after that, or after its due time, an alarm may take.
    pub grace_ns: u64,
    /// When the world was looked at for the last time.
    pub end_ns: u64,
}

/// What the clock that decides what is due has shown between two of its jumps: it went steadily from one to
/// the other. Stretches are given in the order in which they were lived through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// What it showed first.
    pub from_ns: u64,
    /// What it showed last.
    pub until_ns: u64,
}

impl Stretch {
    fn shows(&self, at_ns: u64) -> bool {
        (self.from_ns..=self.until_ns).contains(&at_ns)
    }
}

/// The highest that the clock can have shown from the turn that ran at `from_ns` to the one that ran at
/// `until_ns`. A clock that was set back has shown some times twice: both may be meant.
fn highest_ns(shown: &[Stretch], from_ns: u64, until_ns: u64) -> u64 {
    let first = shown.iter().position(|stretch| stretch.shows(from_ns));
    let last = shown.iter().rposition(|stretch| stretch.shows(until_ns));
    let (Some(first), Some(last)) = (first, last) else { return until_ns };
    let between = shown.get(first..last).unwrap_or_default();
    between.iter().map(|stretch| stretch.until_ns).fold(until_ns, u64::max)
}

/// Checks the alarm events of `object`, in the order of their commits, against what the clock has `shown`;
/// nothing is to be said of a clock that never jumped.
///
/// An alarm is due when the clock shows its time, and stays so when the clock is set back before its turn runs.
///
/// # Errors
/// A [`Violation`] with these faults:
/// - [`Fault::Missing`]: still pending though its time to fire is over.
/// - [`Fault::Duplicate`]: fired more than once.
/// - [`Fault::Early`], [`Fault::Late`]: fired before it was due, or after its time to fire was over.
/// - [`Fault::Stale`]: fired after a committed turn had cancelled or replaced it.
/// - [`Fault::Invented`]: fired, but never scheduled.
///
/// # Panics
/// If two turns scheduled with the same id.
pub fn check(object: &str, events: &[AlarmEvent], shown: &[Stretch], horizon: Horizon) -> Result<(), Violation> {
    let mut alarms: BTreeMap<u64, Alarm<'_>> = BTreeMap::new();
    let mut pending: BTreeMap<&str, u64> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut found = |fault, evidence| {
        findings.push(Finding { promise: Promise::EveryAlarmFires, fault, object: object.to_owned(), evidence });
    };
    for AlarmEvent { at_ns, what } in events {
        match what {
            AlarmAct::Schedule { name, id, due_ns } => {
                let alarm = Alarm { id: *id, name, due_ns: *due_ns, scheduled_ns: *at_ns, end: End::Pending };
                assert!(alarms.insert(*id, alarm).is_none(), "BUG: two alarms were scheduled with id {id}");
                if let Some(replaced) = pending.insert(name, *id).and_then(|id| alarms.get_mut(&id)) {
                    replaced.end = End::Replaced { at_ns: *at_ns, by: *id };
                }
            }
            AlarmAct::Cancel { name } => {
                if let Some(alarm) = pending.remove(name.as_str()).and_then(|id| alarms.get_mut(&id)) {
                    alarm.end = End::Cancelled { at_ns: *at_ns };
                }
            }
            AlarmAct::Fire { id } => match alarms.get_mut(id) {
                Some(alarm) => {
                    if pending.get(alarm.name) == Some(id) {
                        pending.remove(alarm.name);
                    }
                    let highest_ns = highest_ns(shown, alarm.scheduled_ns, *at_ns);
                    alarm.fire((*at_ns, highest_ns), horizon, &mut found);
                }
                None => found(Fault::Invented, format!("alarm #{id} fired at {}, but nobody scheduled it", At(*at_ns))),
            },
        }
    }
    for alarm in alarms.values() {
        alarm.check_fired(horizon, &mut found);
    }
    Violation::unless_empty(findings)
}

/// One scheduling of an alarm.
struct Alarm<'a> {
    id: u64,
    name: &'a str,
    due_ns: u64,
    scheduled_ns: u64,
    end: End,
}

/// What became of an alarm.
enum End {
    Pending,
    Fired { at_ns: u64 },
    Cancelled { at_ns: u64 },
    Replaced { at_ns: u64, by: u64 },
}

impl Alarm<'_> {
    /// It fired at one time, and until then the clock had shown another at most.
    fn fire(&mut self, (now_ns, highest_ns): (u64, u64), horizon: Horizon, found: &mut impl FnMut(Fault, String)) {
        let (what, now) = (self.describe(), At(now_ns));
        match self.end {
            End::Pending if highest_ns < self.due_ns => {
                found(Fault::Early, format!("{what} fired at {now}"));
            }
            End::Pending if now_ns > self.deadline_ns(horizon) => {
                let deadline = At(self.deadline_ns(horizon));
                found(Fault::Late, format!("{what} fired at {now}, after {deadline}"));
            }
            End::Pending => {}
            End::Fired { at_ns } => {
                found(Fault::Duplicate, format!("{what} fired at {}, and again at {now}", At(at_ns)));
            }
            End::Cancelled { at_ns } => {
                found(Fault::Stale, format!("{what} was cancelled at {}, yet fired at {now}", At(at_ns)));
            }
            End::Replaced { at_ns, by } => {
                let at = At(at_ns);
                found(Fault::Stale, format!("{what} was replaced by #{by} at {at}, yet fired at {now}"));
            }
        }
        if let End::Pending = self.end {
            self.end = End::Fired { at_ns: now_ns };
        }
    }

    fn check_fired(&self, horizon: Horizon, found: &mut impl FnMut(Fault, String)) {
        let deadline_ns = self.deadline_ns(horizon);
        if matches!(self.end, End::Pending) && deadline_ns <= horizon.end_ns {
            let (what, deadline) = (self.describe(), At(deadline_ns));
            found(Fault::Missing, format!("{what} had to fire by {deadline} and has not"));
        }
    }

    /// The last moment at which it may fire.
    fn deadline_ns(&self, horizon: Horizon) -> u64 {
        self.due_ns.max(self.scheduled_ns).max(horizon.healed_ns).saturating_add(horizon.grace_ns)
    }

    fn describe(&self) -> String {
        let Self { id, name, due_ns, scheduled_ns, .. } = self;
        format!("alarm {name:?} #{id} (scheduled at {}, due at {})", At(*scheduled_ns), At(*due_ns))
    }
}

#[cfg(test)]
mod tests;
