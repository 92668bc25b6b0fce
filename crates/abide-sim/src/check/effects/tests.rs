use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::check::testing::{config, pick};

/// How one call of a right world went.
#[derive(Debug, Clone)]
struct Plan {
    keyed: bool,
    /// Whether attempts carry different tokens; only if keyed.
    own_tokens: bool,
    /// What the caller hears of each attempt if it does not have to hear the truth: `true` for
    /// nothing at all.
    lost: Vec<bool>,
    /// The attempt that takes effect; none if out of range.
    effective: usize,
}

/// What clients were told, and what the object holds.
#[derive(Debug, Clone, Default)]
struct World {
    attempts: Vec<Attempt>,
    present: Vec<u64>,
}

impl World {
    fn check(&self) -> Result<(), Violation> {
        check("List/a", &self.attempts, &self.present)
    }

    fn play(plans: &[Plan]) -> Self {
        let mut world = Self::default();
        for (call, plan) in plans.iter().enumerate() {
            let attempts = if plan.keyed { plan.lost.len() } else { 1 };
            for (at, lost) in plan.lost.iter().take(attempts).enumerate() {
                let token = call as u64 * 10 + if plan.own_tokens && plan.keyed { at as u64 } else { 0 };
                let truth = if at < plan.effective { Outcome::Failed } else { Outcome::Ok(format!("answer {call}")) };
                world.attempts.push(Attempt {
                    caller: format!("client {}", call % 3),
                    key: plan.keyed.then(|| format!("key {call}")),
                    token,
                    returned_ns: world.attempts.len() as u64,
                    outcome: if *lost { Outcome::Unknown } else { truth },
                });
                if at == plan.effective {
                    world.present.push(token);
                }
            }
        }
        world
    }

    /// The attempts for which `wanted` holds, by index.
    fn attempts(&self, wanted: impl Fn(&Attempt) -> bool) -> Vec<usize> {
        (0..self.attempts.len()).filter(|at| wanted(&self.attempts[*at])).collect()
    }

    fn same_call(&self, attempt: &Attempt) -> Vec<&Attempt> {
        let same = |other: &&Attempt| match &attempt.key {
            Some(_) => other.key == attempt.key && other.caller == attempt.caller,
            None => other.token == attempt.token,
        };
        self.attempts.iter().filter(same).collect()
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let plan = (any::<bool>(), any::<bool>(), prop::collection::vec(any::<bool>(), 1..4), 0..4_usize)
        .prop_map(|(keyed, own_tokens, lost, effective)| Plan { keyed, own_tokens, lost, effective });
    prop::collection::vec(plan, 1..30).prop_map(|plans| World::play(&plans))
}

/// Asserts that exactly this fault is found, under this promise.
fn found(world: &World, promise: Promise, fault: Fault) -> Result<(), TestCaseError> {
    let Err(violation) = world.check() else {
        return Err(TestCaseError::fail(format!("{fault} was not found")));
    };
    for finding in violation.findings() {
        prop_assert_eq!((finding.promise, finding.fault), (promise, fault), "{}", violation);
    }
    Ok(())
}

fn once(attempt: &Attempt) -> Promise {
    if attempt.key.is_some() { Promise::OnceByKey } else { Promise::NoLostEffect }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_world_that_keeps_its_word_passes(world in worlds()) {
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn a_lost_acknowledged_effect_is_found(mut world in worlds(), which: Index) {
        let victim = pick(&world.attempts(|attempt| attempt.outcome.is_acknowledged()), which)?;
        let tokens: Vec<u64> = world.same_call(&world.attempts[victim]).iter().map(|attempt| attempt.token).collect();
        world.present.retain(|token| !tokens.contains(token));
        found(&world, Promise::NoLostEffect, Fault::Missing)?;
    }

    #[test]
    fn an_effect_that_applied_twice_is_found(mut world in worlds(), which: Index, to: Index) {
        let token = pick(&world.present, which)?;
        let promise = world.attempts.iter().find(|attempt| attempt.token == token).map(once).unwrap();
        world.present.insert(to.index(world.present.len()), token);
        found(&world, promise, Fault::Duplicate)?;
    }

    #[test]
    fn a_retry_that_took_effect_again_is_found(mut world in worlds(), which: Index) {
        let retries = world.attempts(|attempt| {
            let call = world.same_call(attempt);
            let took = call.iter().any(|other| world.present.contains(&other.token));
            took && !world.present.contains(&attempt.token) && attempt.outcome != Outcome::Failed
        });
        let retry = pick(&retries, which)?;
        world.present.push(world.attempts[retry].token);
        found(&world, Promise::OnceByKey, Fault::Duplicate)?;
    }

    #[test]
    fn an_invented_effect_is_found(mut world in worlds(), to: Index) {
        world.present.insert(to.index(world.present.len() + 1), 1_000_000);
        found(&world, Promise::NoLostEffect, Fault::Invented)?;
    }

    #[test]
    fn an_effect_of_a_refused_call_is_found(mut world in worlds(), which: Index) {
        let refused = world.attempts(|attempt| {
            world.same_call(attempt).iter().all(|other| other.outcome == Outcome::Failed)
        });
        let refused = pick(&refused, which)?;
        world.present.push(world.attempts[refused].token);
        found(&world, once(&world.attempts[refused]), Fault::Refused)?;
    }

    #[test]
    fn a_retry_answered_differently_is_found(mut world in worlds(), which: Index) {
        let answered = world.attempts(|attempt| {
            let acknowledged = |other: &&&Attempt| other.outcome.is_acknowledged();
            attempt.outcome.is_acknowledged() && world.same_call(attempt).iter().filter(acknowledged).count() > 1
        });
        let victim = pick(&answered, which)?;
        world.attempts[victim].outcome = Outcome::Ok("another answer".to_owned());
        found(&world, Promise::OnceByKey, Fault::Disagreement)?;
    }
}

fn ok(answer: &str) -> Outcome<String> {
    Outcome::Ok(answer.to_owned())
}

fn attempt(key: Option<&str>, token: u64, outcome: Outcome<String>) -> Attempt {
    Attempt { caller: "alice".to_owned(), key: key.map(str::to_owned), token, returned_ns: 2_000_000_000, outcome }
}

#[test]
fn the_evidence_names_call_answer_and_tokens() {
    let attempts = [
        attempt(None, 1, ok("1")),
        attempt(Some("order-77"), 2, Outcome::Unknown),
        attempt(Some("order-77"), 3, ok("2")),
    ];
    let violation = check("List/a", &attempts, &[2, 3]).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "promise 1 (no acknowledged effect is lost): broken for List/a\n  \
           missing: the call of alice with token 1 was acknowledged at 2s with \"1\", \
           but token 1 is not in the state\n\
         promise 3 (a keyed call takes effect once): broken for List/a\n  \
           duplicate: the call of alice with key \"order-77\" took effect 2 times: \
           token 2, 3 at positions 0, 1"
    );
}

#[test]
fn the_same_key_of_another_caller_is_another_call() {
    let mine = attempt(Some("k"), 1, ok("mine"));
    let theirs = Attempt { caller: "bob".to_owned(), ..attempt(Some("k"), 2, ok("theirs")) };
    assert_eq!(check("List/a", &[mine, theirs], &[1, 2]), Ok(()));
}

#[test]
fn an_unknown_call_may_or_may_not_have_happened() {
    let attempts = [attempt(None, 1, Outcome::Unknown), attempt(None, 2, Outcome::Unknown)];
    assert_eq!(check("List/a", &attempts, &[2]), Ok(()));
}

#[test]
#[should_panic(expected = "token 1 belongs to more than one call")]
fn calls_that_share_a_token_cannot_be_checked() {
    let attempts = [attempt(Some("k"), 1, Outcome::Unknown), attempt(None, 1, Outcome::Unknown)];
    let _ = check("List/a", &attempts, &[]);
}
