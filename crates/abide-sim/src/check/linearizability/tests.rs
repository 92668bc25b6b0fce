use std::cell::Cell;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::CounterOp::{Add, Get, Set};
use super::*;
use crate::check::Outcome;

type Calls = History<CounterOp, i64>;

/// A recorded event: a call, or what became of the call with this number.
#[derive(Debug, Clone)]
enum Event {
    Call(u64, CounterOp),
    Return(usize, Outcome<i64>),
}

fn history(events: &[Event]) -> Calls {
    let (mut history, mut ids) = (History::new(), Vec::new());
    for (at, event) in events.iter().enumerate() {
        let now_ns = at as u64 * 1_000_000;
        match event {
            Event::Call(client, op) => ids.push(history.called(*client, *op, now_ns)),
            Event::Return(id, outcome) => history.returned(ids[*id], outcome.clone(), now_ns),
        }
    }
    history
}

/// A moment of a world with one honest counter.
#[derive(Debug, Clone)]
struct Moment {
    client: usize,
    op: CounterOp,
    /// 0..1000: what goes wrong, if anything.
    luck: u32,
}

/// What a client of the honest counter is doing.
#[derive(Clone, Copy)]
enum Client {
    Idle,
    Waiting(usize, CounterOp),
    Served(usize, i64),
}

/// Plays an honest counter: what comes out is linearizable. `trouble` of 1000 calls end unknown,
/// and half of those that did not take effect at once do so later, at any time.
fn play(moments: &[Moment], trouble: u32) -> Vec<Event> {
    let mut clients = [Client::Idle; 8];
    let (mut value, mut calls, mut late, mut events) = (0, 0, Vec::new(), Vec::new());
    let run = |value: &mut i64, op| {
        *value = Counter.step(value, &op, None).unwrap();
        *value
    };
    for Moment { client, op, luck } in moments {
        let lucky = *luck >= trouble;
        clients[*client] = match clients[*client] {
            Client::Idle => {
                events.push(Event::Call(*client as u64, *op));
                calls += 1;
                Client::Waiting(calls - 1, *op)
            }
            Client::Waiting(id, op) if lucky => Client::Served(id, run(&mut value, op)),
            Client::Waiting(id, op) => {
                match luck % 3 {
                    0 => events.push(Event::Return(id, Outcome::Failed)),
                    1 => events.push(Event::Return(id, Outcome::Unknown)),
                    _ => {
                        events.push(Event::Return(id, Outcome::Unknown));
                        late.push(op);
                    }
                }
                Client::Idle
            }
            Client::Served(id, answer) => {
                events.push(Event::Return(id, if lucky { Outcome::Ok(answer) } else { Outcome::Unknown }));
                Client::Idle
            }
        };
        if luck % 17 == 0
            && let Some(op) = late.pop()
        {
            run(&mut value, op);
        }
    }
    events
}

fn moments(len: impl Into<prop::collection::SizeRange>, amounts: i64) -> impl Strategy<Value = Vec<Moment>> {
    let op = prop_oneof![4 => (1..=amounts).prop_map(Add), 3 => Just(Get), 1 => (0..amounts).prop_map(Set)];
    let moment = (0..8_usize, op, 0..1000_u32).prop_map(|(client, op, luck)| Moment { client, op, luck });
    prop::collection::vec(moment, len)
}

/// Changes the answer of one of the acknowledged calls by `by`; `false` if there is none.
fn corrupt(events: &mut [Event], which: usize, by: i64) -> bool {
    let answers = |event: &Event| matches!(event, Event::Return(_, Outcome::Ok(_)));
    let count = events.iter().filter(|event| answers(event)).count();
    if count == 0 {
        return false;
    }
    match events.iter_mut().filter(|event| answers(event)).nth(which % count) {
        Some(Event::Return(_, Outcome::Ok(answer))) => *answer += by,
        other => panic!("not an answer: {other:?}"),
    }
    true
}

/// A few operations at any times with any answers.
fn operations() -> impl Strategy<Value = Vec<Operation<CounterOp, i64>>> {
    let op = prop_oneof![3 => (1..3_i64).prop_map(Add), 2 => Just(Get), 1 => (0..3_i64).prop_map(Set)];
    let outcome =
        prop_oneof![6 => (0..5_i64).prop_map(Outcome::Ok), 1 => Just(Outcome::Failed), 3 => Just(Outcome::Unknown)];
    let operation = (op, outcome, 0..10_u64, 0..6_u64).prop_map(|(op, outcome, called_ns, took_ns)| Operation {
        client: 1,
        op,
        called_ns,
        returned_ns: Some(called_ns + took_ns),
        outcome,
    });
    prop::collection::vec(operation, 0..7)
}

/// The definition, tried in every order: no memory, no short cuts.
fn by_brute_force(history: &Calls) -> bool {
    fn go(history: &Calls, state: i64, left: &[usize]) -> bool {
        let answered = |index: usize| history.operations()[index].outcome.is_acknowledged();
        if !left.iter().any(|index| answered(*index)) {
            return true;
        }
        left.iter().any(|&next| {
            let call = history.span(next).call;
            if left.iter().any(|other| answered(*other) && history.span(*other).ret < call) {
                return false;
            }
            let operation = &history.operations()[next];
            let Some(state) = Counter.step(&state, &operation.op, operation.outcome.answer()) else {
                return false;
            };
            let left: Vec<usize> = left.iter().copied().filter(|index| *index != next).collect();
            go(history, state, &left)
        })
    }
    let possible = |index: &usize| history.operations()[*index].outcome != Outcome::Failed;
    let all: Vec<usize> = (0..history.operations().len()).filter(possible).collect();
    go(history, 0, &all)
}

/// Whether `order` may begin a run of the history: real time is kept and answers are explained.
fn explains(history: &Calls, order: &[usize]) -> bool {
    let operations = history.operations();
    let mut state = 0;
    for (at, index) in order.iter().enumerate() {
        let Operation { op, outcome, .. } = &operations[*index];
        let Some(next) = Counter.step(&state, op, outcome.answer()) else {
            return false;
        };
        state = next;
        let placed = &order[..=at];
        let too_early = (0..operations.len()).any(|other| {
            !placed.contains(&other)
                && operations[other].outcome.is_acknowledged()
                && history.span(other).ret < history.span(*index).call
        });
        if too_early || placed[..at].contains(index) || *outcome == Outcome::Failed {
            return false;
        }
    }
    true
}

/// Whether the history is linearizable, with the search's order or explanation checked too.
fn decide(history: &Calls) -> bool {
    let answered = |index: &usize| history.operations()[*index].outcome.is_acknowledged();
    match judge(&Counter, history, STEPS_MAX).verdict {
        Verdict::Linearizable(order) => {
            assert!(explains(history, &order), "{order:?} does not explain the history");
            let complete = (0..history.operations().len()).filter(answered).all(|index| order.contains(&index));
            assert!(complete, "{order:?} leaves out an answered operation");
            true
        }
        Verdict::Illegal(explanation) => {
            assert!(explains(history, &explanation.placed), "a wrong prefix: {explanation}");
            assert!(explanation.blocked.iter().all(answered) && !explanation.blocked.is_empty(), "{explanation}");
            false
        }
        Verdict::Undecided(explanation) => panic!("a small history was not decided: {explanation}"),
    }
}

/// Compares with brute force over `cases` histories; both verdicts must be frequent.
fn agrees_with_brute_force<T: Debug>(cases: u32, strategy: &impl Strategy<Value = T>, history: impl Fn(&T) -> Calls) {
    let (legal, illegal) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let compared = runner.run(strategy, |case| {
        let history = history(&case);
        let expected = by_brute_force(&history);
        let count = if expected { &legal } else { &illegal };
        count.set(count.get() + 1);
        prop_assert_eq!(decide(&history), expected);
        Ok(())
    });
    compared.unwrap_or_else(|error| panic!("{error}"));
    let (legal, illegal) = (legal.get(), illegal.get());
    assert!(legal > cases / 10 && illegal > cases / 10, "one-sided: {legal} legal, {illegal} illegal");
}

#[test]
fn any_small_history_is_judged_as_by_brute_force() {
    agrees_with_brute_force(8000, &operations(), |operations| History::from_operations(operations.clone()));
}

#[test]
fn a_small_history_with_one_wrong_answer_is_judged_as_by_brute_force() {
    let strategy = (moments(8..20, 2), any::<usize>(), 0..3_i64);
    agrees_with_brute_force(4000, &strategy, |(moments, which, by)| {
        let mut events = play(moments, 250);
        corrupt(&mut events, *which, *by);
        history(&events)
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_an_honest_counter_answers_is_linearizable(moments in moments(0..300, 5), trouble in 0..100_u32) {
        prop_assert!(decide(&history(&play(&moments, trouble))));
    }

    #[test]
    fn an_answer_no_order_can_give_is_found(moments in moments(40..300, 5), which: usize) {
        let mut events = play(&moments, 0);
        prop_assume!(corrupt(&mut events, which, 1_000_000));
        prop_assert!(!decide(&history(&events)));
    }
}

/// The events of about `operations` calls by 8 clients of an honest counter.
fn long(operations: usize, amounts: i64, trouble: u32) -> Vec<Event> {
    let mut runner = TestRunner::deterministic();
    let moments = moments(operations * 3..=operations * 3, amounts).new_tree(&mut runner);
    play(&moments.unwrap().current(), trouble)
}

#[test]
fn two_thousand_calls_take_few_steps() {
    let cases = [(1, 0), (3, 0), (1000, 0), (3, 20), (3, 50), (1, 100), (1000, 20), (1000, 50)];
    for (amounts, trouble) in cases {
        let history = history(&long(2000, amounts, trouble));
        assert!(history.operations().len() >= 2000);
        let Judgement { verdict, steps } = judge(&Counter, &history, 100_000);
        let found = matches!(verdict, Verdict::Linearizable(_));
        assert!(found, "amounts to {amounts}, trouble {trouble}: {steps} steps");
    }
}

#[test]
fn one_wrong_answer_among_two_thousand_calls_is_found_in_few_steps() {
    for (amounts, trouble) in [(1, 0), (3, 0), (1000, 0), (3, 20), (1000, 20)] {
        let mut events = long(2000, amounts, trouble);
        assert!(corrupt(&mut events, 900, 1_000_000));
        let Judgement { verdict, steps } = judge(&Counter, &history(&events), 200_000);
        let found = matches!(verdict, Verdict::Illegal(_));
        assert!(found, "amounts to {amounts}, trouble {trouble}: {steps} steps");
    }
}

fn check_events(events: &[Event]) -> Result<(), Violation> {
    check("Counter/a", &Counter, &history(events), STEPS_MAX)
}

#[test]
fn a_history_of_nothing_is_linearizable() {
    assert_eq!(check_events(&[]), Ok(()));
    assert_eq!(check_events(&[Event::Call(1, Add(1))]), Ok(()));
}

#[test]
fn a_stale_read_is_found() {
    use Event::{Call, Return};
    let stale = [Call(1, Add(5)), Return(0, Outcome::Ok(5)), Call(2, Get), Return(1, Outcome::Ok(0))];
    assert!(check_events(&stale).unwrap_err().has(Fault::NotLinearizable));
    let concurrent = [Call(1, Add(5)), Call(2, Get), Return(0, Outcome::Ok(5)), Return(1, Outcome::Ok(0))];
    assert_eq!(check_events(&concurrent), Ok(()));
}

#[test]
fn two_owners_that_both_answer_are_found() {
    use Event::{Call, Return};
    let split = [Call(1, Add(1)), Call(2, Add(1)), Return(0, Outcome::Ok(1)), Return(1, Outcome::Ok(1))];
    assert!(check_events(&split).unwrap_err().has(Fault::NotLinearizable));
}

#[test]
fn a_call_with_an_unknown_outcome_may_take_effect_long_after_it_was_given_up() {
    use Event::{Call, Return};
    let late = |outcome| {
        [
            Call(1, Add(5)),
            Return(0, outcome),
            Call(2, Get),
            Return(1, Outcome::Ok(0)),
            Call(2, Get),
            Return(2, Outcome::Ok(5)),
        ]
    };
    assert_eq!(check_events(&late(Outcome::Unknown)), Ok(()));
    assert!(check_events(&late(Outcome::Failed)).is_err());
    assert!(check_events(&late(Outcome::Ok(5))).is_err());
}

#[test]
fn a_call_with_an_unknown_outcome_takes_effect_at_most_once_and_not_before_it_was_made() {
    use Event::{Call, Return};
    let twice = [Call(1, Add(5)), Return(0, Outcome::Unknown), Call(2, Get), Return(1, Outcome::Ok(10))];
    assert!(check_events(&twice).is_err());
    let before = [Call(2, Get), Return(0, Outcome::Ok(5)), Call(1, Add(5)), Return(1, Outcome::Unknown)];
    assert!(check_events(&before).is_err());
}

#[test]
fn a_write_of_the_value_that_is_there_may_still_be_needed_later() {
    use Event::{Call, Return};
    let events = [
        Call(1, Set(0)),
        Call(2, Add(1)),
        Return(1, Outcome::Ok(1)),
        Call(2, Get),
        Return(2, Outcome::Ok(0)),
        Return(0, Outcome::Ok(0)),
    ];
    assert_eq!(check_events(&events), Ok(()));
}

#[test]
fn without_steps_left_nothing_is_decided() {
    let events = long(100, 3, 20);
    let violation = check("Counter/a", &Counter, &history(&events), 10).unwrap_err();
    assert!(violation.is_undecided());
    assert!(violation.to_string().contains("gave up after 10 steps"), "{violation}");
}

#[test]
fn the_explanation_shows_the_longest_order_and_what_cannot_follow() {
    use Event::{Call, Return};
    let events = [
        Call(1, Add(1)),
        Return(0, Outcome::Ok(1)),
        Call(1, Add(1)),
        Call(2, Add(2)),
        Return(2, Outcome::Unknown),
        Return(1, Outcome::Ok(2)),
        Call(3, Get),
        Call(1, Get),
        Return(3, Outcome::Ok(3)),
        Return(4, Outcome::Ok(4)),
    ];
    let expected = "\
promise 2 (one owner commits and answers: calls look as if run one at a time): broken for Counter/a
  not linearizable: the longest order that explains its answers has 3 of 4 answered operations and ends in state 4
      client 1: Add(1) -> 1 makes 1
      client 1: Add(1) -> 2 makes 2
      client 2: Add(2) -> ? makes 4
      client 1: Get -> 4 makes 4
    what must come next, and cannot:
      client 3: Get -> 3, called at 0.006s, returned at 0.008s
    in the order of events (= running, ? outcome unknown, X cannot be placed):
        []          client 1: Add(1) -> 1
          [=]       client 1: Add(1) -> 2
           [=====?  client 2: Add(2) -> ?
      X      [=]    client 3: Get -> 3
              [=]   client 1: Get -> 4";
    assert_eq!(check_events(&events).unwrap_err().to_string(), expected);
}
