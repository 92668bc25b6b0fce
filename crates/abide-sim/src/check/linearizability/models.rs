//! Models of objects, run one call at a time.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use super::Model;

/// A counter that starts at 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counter;

/// A call on a [`Counter`]. Each answers the counter's value after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// Adds an amount, wrapping around at the ends of `i64`.
    Add(i64),
    /// Reads the value.
    Get,
    /// Sets the value.
    Set(i64),
}

impl Model for Counter {
    type State = i64;
    type Op = CounterOp;
    type Ret = i64;

    fn init(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, op: &CounterOp, ret: Option<&i64>) -> Option<i64> {
        let next = match op {
            CounterOp::Add(amount) => state.wrapping_add(*amount),
            CounterOp::Get => *state,
            CounterOp::Set(value) => *value,
        };
        ret.is_none_or(|ret| *ret == next).then_some(next)
    }

    fn is_read(&self, op: &CounterOp) -> bool {
        matches!(op, CounterOp::Get)
    }
}

/// A model made of a first state and a closure.
///
/// ```
/// use abide_sim::check::Outcome;
/// use abide_sim::check::linearizability::{self, FnModel, History};
///
/// // A list that answers where each item went.
/// let list = FnModel::new(Vec::new(), |items: &Vec<u32>, item: &u32, at: Option<&usize>| {
///     at.is_none_or(|at| *at == items.len()).then(|| items.iter().copied().chain([*item]).collect())
/// });
/// let mut history = History::new();
/// let call = history.called(1, 7_u32, 0);
/// history.returned(call, Outcome::Ok(1), 1); // the first item goes to 0, not to 1
/// assert!(linearizability::check("List/a", &list, &history, 1000).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct FnModel<S, O, R, F> {
    init: S,
    step: F,
    calls: PhantomData<fn(O) -> R>,
}

impl<S, O, R, F: Fn(&S, &O, Option<&R>) -> Option<S>> FnModel<S, O, R, F> {
    /// The model that starts at `init` and steps as [`Model::step`] says.
    pub fn new(init: S, step: F) -> Self {
        Self { init, step, calls: PhantomData }
    }
}

impl<S, O, R, F> Model for FnModel<S, O, R, F>
where
    S: Clone + Eq + Hash + Debug,
    O: Eq + Hash + Debug,
    R: Debug,
    F: Fn(&S, &O, Option<&R>) -> Option<S>,
{
    type State = S;
    type Op = O;
    type Ret = R;

    fn init(&self) -> S {
        self.init.clone()
    }

    fn step(&self, state: &S, op: &O, ret: Option<&R>) -> Option<S> {
        (self.step)(state, op, ret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_answers_its_new_value_and_nothing_else() {
        assert_eq!(Counter.step(&2, &CounterOp::Add(3), Some(&5)), Some(5));
        assert_eq!(Counter.step(&2, &CounterOp::Add(3), Some(&6)), None);
        assert_eq!(Counter.step(&2, &CounterOp::Add(3), None), Some(5));
        assert_eq!(Counter.step(&2, &CounterOp::Get, Some(&2)), Some(2));
        assert_eq!(Counter.step(&2, &CounterOp::Get, Some(&3)), None);
        assert_eq!(Counter.step(&2, &CounterOp::Set(9), Some(&9)), Some(9));
        assert_eq!(Counter.step(&2, &CounterOp::Set(9), Some(&2)), None);
    }
}
