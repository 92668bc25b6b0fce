//! Linearizability of one object's history.
//!
//! A history is linearizable if every call that was answered can be given one instant between its
//! call and its return, such that the calls run one after another at those instants explain every
//! answer. Calls with an unknown outcome may be given an instant anywhere after they were made, or
//! none; calls that certainly failed are left out.
//!
//! The search is the one of Wing and Gong (*Testing and verifying concurrent objects*, 1993), with
//! the memory of visited configurations that Lowe (*Testing for linearizability*, 2017) and Horn and
//! Kroening (*Faster linearizability checking via P-compositionality*, 2015) use. See `search.rs`
//! for what else keeps it short.
//!
//! Advice for recording: let calls that may end unknown repeat a few operations (`Add(1)`,
//! `Add(2)`) rather than each carry its own. Equal unknown calls are interchangeable to the
//! checker, different ones multiply.

mod explain;
mod history;
mod models;
mod placed;
mod search;
#[cfg(test)]
mod tests;
mod visited;

use std::fmt::Debug;
use std::hash::Hash;

use super::violation::{Fault, Finding, Promise, Violation};

pub use explain::Explanation;
pub use history::{CallId, History, Operation};
pub use models::{Counter, CounterOp, FnModel};

/// A step budget that decides histories of some thousands of calls and stays within a few hundred
/// megabytes and some seconds when it cannot.
pub const STEPS_MAX: u64 = 1_000_000;

/// What an object does when its calls run one at a time.
pub trait Model {
    /// The object's state.
    type State: Clone + Eq + Hash + Debug;
    /// A call with its arguments.
    type Op: Eq + Hash + Debug;
    /// An answer.
    type Ret: Debug;

    /// The state before the first call.
    fn init(&self) -> Self::State;

    /// The state after `op` runs on `state`, or `None` if it would not have answered `ret`. With no
    /// `ret` the answer is not known, and any will do.
    fn step(&self, state: &Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> Option<Self::State>;

    /// Whether `op` leaves every state as it is. Saying so is optional and makes the search short
    /// where many read at once; saying so wrongly makes it wrong.
    fn is_read(&self, op: &Self::Op) -> bool {
        let _ = op;
        false
    }
}

/// What the search came to, and how much work it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the search came to.
    pub verdict: Verdict,
    /// How many times the model was stepped.
    pub steps: u64,
}

/// Whether a history is linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is: run in this order (indexes of the history's operations), the answers are explained.
    /// Operations that failed, and unknown ones that need not have happened, are not in it.
    Linearizable(Vec<usize>),
    /// It is not.
    Illegal(Explanation),
    /// The step budget ran out first. The explanation tells how far the search came, and proves
    /// nothing.
    Undecided(Explanation),
}

/// Checks that `history` of `object` is linearizable, stepping the model at most `steps_max` times.
///
/// # Errors
/// A [`Violation`] with [`Fault::NotLinearizable`] if it is not, or with [`Fault::Undecided`] if
/// the budget ran out first.
pub fn check<M: Model>(
    object: &str,
    model: &M,
    history: &History<M::Op, M::Ret>,
    steps_max: u64,
) -> Result<(), Violation> {
    let Judgement { verdict, steps } = judge(model, history, steps_max);
    let (fault, evidence) = match verdict {
        Verdict::Linearizable(_) => return Ok(()),
        Verdict::Illegal(explanation) => (Fault::NotLinearizable, explanation.to_string()),
        Verdict::Undecided(explanation) => {
            let advice = "raise the budget, or record fewer different unknown operations";
            (Fault::Undecided, format!("gave up after {steps} steps; {advice}\n{explanation}"))
        }
    };
    let finding = Finding { promise: Promise::OneOwner, fault, object: object.to_owned(), evidence };
    Violation::unless_empty(vec![finding])
}

/// Decides whether `history` is linearizable, stepping the model at most `steps_max` times. Calls
/// that have not returned count as unknown.
pub fn judge<M: Model>(model: &M, history: &History<M::Op, M::Ret>, steps_max: u64) -> Judgement {
    let (end, steps) = search::Search::new(model, history, steps_max).run();
    let verdict = match end {
        search::End::Found(order) => Verdict::Linearizable(order),
        search::End::Stuck(longest) => Verdict::Illegal(Explanation::new(model, history, longest)),
        search::End::OutOfSteps(longest) => Verdict::Undecided(Explanation::new(model, history, longest)),
    };
    Judgement { verdict, steps }
}
