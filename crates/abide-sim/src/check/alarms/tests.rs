use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::check::testing::{config, pick};

const GRACE_NS: u64 = 50;
const HORIZON: Horizon = Horizon { healed_ns: 0, grace_ns: GRACE_NS, end_ns: 1_000_000 };

fn event(at_ns: u64, what: AlarmAct) -> AlarmEvent {
    AlarmEvent { at_ns, what }
}

fn schedule(at_ns: u64, name: &str, id: u64, due_ns: u64) -> AlarmEvent {
    event(at_ns, AlarmAct::Schedule { name: name.to_owned(), id, due_ns })
}

fn cancel(at_ns: u64, name: &str) -> AlarmEvent {
    event(at_ns, AlarmAct::Cancel { name: name.to_owned() })
}

fn fire(at_ns: u64, id: u64) -> AlarmEvent {
    event(at_ns, AlarmAct::Fire { id })
}

/// A turn of a right world.
#[derive(Debug, Clone)]
struct Turn {
    name: usize,
    pause_ns: u64,
    /// When the alarm is due, from now; no alarm cancels.
    due_in_ns: Option<u64>,
    /// How late it fires.
    late_ns: u64,
}

/// Plays turns in a world whose alarms all fire, within the grace.
fn play(turns: &[Turn]) -> Vec<AlarmEvent> {
    let names = ["bell", "lease", "sweep"];
    let (mut now_ns, mut events) = (1, Vec::new());
    let mut pending: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let fire_until = |until_ns, pending: &mut BTreeMap<&str, (u64, u64)>, events: &mut Vec<AlarmEvent>| {
        let mut due: Vec<(u64, u64)> = pending.values().copied().filter(|(at_ns, _)| *at_ns <= until_ns).collect();
        due.sort_unstable();
        events.extend(due.into_iter().map(|(at_ns, id)| fire(at_ns, id)));
        pending.retain(|_, (at_ns, _)| *at_ns > until_ns);
    };
    for (id, turn) in (0..).zip(turns) {
        now_ns += turn.pause_ns;
        fire_until(now_ns, &mut pending, &mut events);
        let name = names[turn.name];
        if let Some(due_in_ns) = turn.due_in_ns {
            let due_ns = now_ns + due_in_ns;
            events.push(schedule(now_ns, name, id, due_ns));
            pending.insert(name, (due_ns + turn.late_ns, id));
        } else {
            events.push(cancel(now_ns, name));
            pending.remove(name);
        }
    }
    fire_until(u64::MAX, &mut pending, &mut events);
    events
}

fn histories() -> impl Strategy<Value = Vec<AlarmEvent>> {
    let turn = (0..3_usize, 0..40_u64, prop::option::weighted(0.8, 0..60_u64), 0..=GRACE_NS)
        .prop_map(|(name, pause_ns, due_in_ns, late_ns)| Turn { name, pause_ns, due_in_ns, late_ns });
    prop::collection::vec(turn, 1..40).prop_map(|turns| play(&turns))
}

/// The events that fire an alarm, by index.
fn fires(events: &[AlarmEvent]) -> Vec<usize> {
    (0..events.len()).filter(|at| matches!(events[*at].what, AlarmAct::Fire { .. })).collect()
}

/// Name, id and due time of each scheduling.
fn schedulings(events: &[AlarmEvent]) -> Vec<(&str, u64, u64)> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            AlarmAct::Schedule { name, id, due_ns } => Some((name.as_str(), *id, *due_ns)),
            AlarmAct::Cancel { .. } | AlarmAct::Fire { .. } => None,
        })
        .collect()
}

/// Id and due time of the alarm that fires at this index.
fn fired(events: &[AlarmEvent], at: usize) -> (u64, u64) {
    let AlarmAct::Fire { id } = events[at].what else { panic!("event {at} fires nothing") };
    let (_, _, due_ns) = schedulings(events).into_iter().find(|(_, known, _)| *known == id).unwrap();
    (id, due_ns)
}

/// Asserts that exactly this fault is found.
fn found(events: &[AlarmEvent], fault: Fault) -> Result<(), TestCaseError> {
    let Err(violation) = check("Clock/a", events, &[], HORIZON) else {
        return Err(TestCaseError::fail(format!("{fault} was not found")));
    };
    let faults: Vec<Fault> = violation.findings().iter().map(|finding| finding.fault).collect();
    prop_assert_eq!(faults, [fault], "{}", violation);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_world_whose_alarms_fire_passes(events in histories()) {
        prop_assert_eq!(check("Clock/a", &events, &[], HORIZON), Ok(()));
    }

    #[test]
    fn a_lost_alarm_is_found(mut events in histories(), which: Index) {
        // Only the last alarm of its name: an earlier one that stays pending is replaced by the next.
        let last = |at: &usize| {
            let (id, _) = fired(&events, *at);
            let all = schedulings(&events);
            let name = all.iter().find(|(_, known, _)| *known == id).unwrap().0;
            let later = |event: &AlarmEvent| match &event.what {
                AlarmAct::Schedule { name: other, .. } | AlarmAct::Cancel { name: other } => other == name,
                AlarmAct::Fire { .. } => false,
            };
            !events[*at..].iter().any(later)
        };
        let lost = pick(&fires(&events).into_iter().filter(last).collect::<Vec<_>>(), which)?;
        events.remove(lost);
        found(&events, Fault::Missing)?;
    }

    #[test]
    fn an_alarm_that_fires_twice_is_found(mut events in histories(), which: Index, to: Index) {
        let at = pick(&fires(&events), which)?;
        let after = at + 1 + to.index(events.len() - at);
        events.insert(after, events[at].clone());
        found(&events, Fault::Duplicate)?;
    }

    #[test]
    fn an_alarm_that_fires_early_is_found(mut events in histories(), which: Index) {
        let at = pick(&fires(&events), which)?;
        events[at].at_ns = fired(&events, at).1 - 1;
        found(&events, Fault::Early)?;
    }

    #[test]
    fn an_alarm_that_fires_late_is_found(mut events in histories(), which: Index) {
        let at = pick(&fires(&events), which)?;
        events[at].at_ns = fired(&events, at).1 + GRACE_NS + 1;
        found(&events, Fault::Late)?;
    }

    #[test]
    fn an_alarm_that_fires_although_cancelled_or_replaced_is_found(mut events in histories(), which: Index) {
        let fired: BTreeSet<u64> = fires(&events).into_iter().map(|at| fired(&events, at).0).collect();
        let gone: Vec<u64> =
            schedulings(&events).into_iter().map(|(_, id, _)| id).filter(|id| !fired.contains(id)).collect();
        let id = pick(&gone, which)?;
        events.push(fire(HORIZON.end_ns, id));
        found(&events, Fault::Stale)?;
    }

    #[test]
    fn an_alarm_nobody_scheduled_is_found(mut events in histories(), to: Index) {
        events.insert(to.index(events.len() + 1), fire(10, 1_000_000));
        found(&events, Fault::Invented)?;
    }
}

#[test]
fn faults_excuse_lateness_until_the_grace_after_they_stop() {
    let horizon = Horizon { healed_ns: 1000, grace_ns: 50, end_ns: 2000 };
    let with_fire_at = |at_ns| check("Clock/a", &[schedule(1, "bell", 1, 10), fire(at_ns, 1)], &[], horizon);
    assert_eq!(with_fire_at(1050), Ok(()));
    assert!(with_fire_at(1051).unwrap_err().has(Fault::Late));
}

#[test]
fn an_alarm_need_not_have_fired_when_its_time_reaches_beyond_the_end() {
    let horizon = Horizon { healed_ns: 0, grace_ns: 50, end_ns: 100 };
    assert_eq!(check("Clock/a", &[schedule(1, "bell", 1, 51)], &[], horizon), Ok(()));
    assert!(check("Clock/a", &[schedule(1, "bell", 1, 50)], &[], horizon).unwrap_err().has(Fault::Missing));
}

#[test]
fn an_alarm_scheduled_into_the_past_counts_from_its_scheduling() {
    let horizon = Horizon { healed_ns: 0, grace_ns: 50, end_ns: 1000 };
    assert_eq!(check("Clock/a", &[schedule(100, "bell", 1, 10), fire(150, 1)], &[], horizon), Ok(()));
}

#[test]
fn the_evidence_names_the_alarm_and_its_times() {
    const SECOND: u64 = 1_000_000_000;
    let events = [
        schedule(SECOND, "bell", 1, 5 * SECOND),
        schedule(2 * SECOND, "bell", 2, 6 * SECOND),
        fire(5 * SECOND, 1),
        fire(5_500_000_000, 2),
    ];
    let horizon = Horizon { healed_ns: 0, grace_ns: SECOND, end_ns: 60 * SECOND };
    assert_eq!(
        check("Clock/a", &events, &[], horizon).unwrap_err().to_string(),
        "promise 4 (every alarm fires, its effect applies once): broken for Clock/a\n  \
           stale: alarm \"bell\" #1 (scheduled at 1s, due at 5s) was replaced by #2 at 2s, yet fired at 5s\n  \
           early: alarm \"bell\" #2 (scheduled at 2s, due at 6s) fired at 5.5s"
    );
}

/// A clock that was set back from 16 to 11 when the alarm, due at 15, had been handed out.
const SET_BACK: [Stretch; 2] = [Stretch { from_ns: 0, until_ns: 16 }, Stretch { from_ns: 11, until_ns: 1000 }];

#[test]
fn an_alarm_that_came_due_before_the_clock_was_set_back_is_not_early() {
    let events = [schedule(10, "bell", 1, 15), fire(12, 1)];
    assert_eq!(check("Clock/a", &events, &SET_BACK, HORIZON), Ok(()));
    assert!(check("Clock/a", &events, &[], HORIZON).unwrap_err().has(Fault::Early));
}

#[test]
fn a_clock_that_was_set_back_excuses_nothing_that_it_never_showed() {
    let never = [schedule(10, "bell", 1, 17), fire(14, 1)];
    assert!(check("Clock/a", &never, &SET_BACK, HORIZON).unwrap_err().has(Fault::Early));
    // Set after the clock was set back, in times that it shows for the first time.
    let after = [schedule(20, "bell", 1, 25), fire(22, 1)];
    assert!(check("Clock/a", &after, &SET_BACK, HORIZON).unwrap_err().has(Fault::Early));
    // A jump forward shows what it leads to, and nothing more.
    let forward = [Stretch { from_ns: 0, until_ns: 12 }, Stretch { from_ns: 20, until_ns: 1000 }];
    assert_eq!(check("Clock/a", &[schedule(10, "bell", 1, 15), fire(20, 1)], &forward, HORIZON), Ok(()));
    assert!(check("Clock/a", &[schedule(10, "bell", 1, 25), fire(20, 1)], &forward, HORIZON).is_err());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_early_without_jumps_is_early_however_the_time_before_is_cut(
        mut events in histories(), which: Index, cut in 1..2_000_u64,
    ) {
        let at = pick(&fires(&events), which)?;
        events[at].at_ns = fired(&events, at).1 - 1;
        let steady = [Stretch { from_ns: 0, until_ns: cut }, Stretch { from_ns: cut, until_ns: HORIZON.end_ns }];
        let violation = check("Clock/a", &events, &steady, HORIZON);
        prop_assert!(violation.is_err_and(|violation| violation.has(Fault::Early)));
    }
}
