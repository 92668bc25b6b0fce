//! The search for an order that explains a history.
//!
//! A search places answered operations one after another. An operation may be next if no other
//! unplaced one returned before it was called. What is placed, and the state that makes, is a
//! configuration; none is gone to twice. On top of that:
//!
//! - **The most promising goes first.** Each answered operation placed counts for a configuration,
//!   each unknown one counts [against](UNKNOWN_COST) it, and of equals the newest goes first. A
//!   history with no unknown operations is searched depth first; with some, other orders of the
//!   last few answered operations are tried before unknown ones are brought in, one of those before
//!   two, and so on.
//! - **An answered read** is placed as soon as its answer fits, and nothing else is tried: any order
//!   that goes on from here can be changed to have it first.
//! - **Unknown operations need not be placed**; those left over have not happened. So equal ones
//!   are interchangeable, and the one called first stands for all. One that changes nothing is not
//!   placed: it may still be needed later.

use std::collections::BinaryHeap;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::Model;
use super::history::History;
use super::placed::{Placed, Used};
use super::visited::Visited;
use crate::check::outcome::Outcome;

/// How many answered operations an unknown one must be good for. Measured on long histories of a
/// counter: below 5 and above 12 the ones with many unknown operations take far more steps.
const UNKNOWN_COST: i64 = 6;

/// How a search ended.
pub(super) enum End {
    /// With an order (indexes of the history) that explains every answer.
    Found(Vec<usize>),
    /// Having tried everything; the longest order that explains some of the answers.
    Stuck(Vec<usize>),
    /// Out of steps; the longest order so far.
    OutOfSteps(Vec<usize>),
}

/// The search over one history.
pub(super) struct Search<'h, M: Model> {
    model: &'h M,
    history: &'h History<M::Op, M::Ret>,
    /// Indexes of the answered operations, in the order of their calls.
    answered: Vec<usize>,
    /// For each kind of unknown operation, indexes of its calls in their order.
    unknown: Vec<Vec<usize>>,
    nodes: Vec<Node<M::State>>,
    tasks: BinaryHeap<Task>,
    tasks_made: u64,
    visited: Visited<M::State>,
    /// The node with most answered operations placed.
    longest: usize,
    steps: u64,
    steps_max: u64,
}

/// A configuration, and how the search came to it.
struct Node<S> {
    placed: Placed,
    /// How many answered operations are placed.
    count: usize,
    used: Used,
    promise: i64,
    state: S,
    came: Option<(usize, Step)>,
}

/// The last operation placed.
#[derive(Clone, Copy)]
enum Step {
    /// An answered one, by position in `answered`.
    Answered(usize),
    /// The next unknown one of a kind.
    Unknown(usize),
}

/// Something to do: the greatest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    promise: i64,
    /// Tells newer tasks from older ones.
    number: u64,
    node: usize,
    what: What,
}

/// What to do with a node.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Place one more answered operation.
    Answer,
    /// Place one more unknown operation.
    Extend,
}

/// The step budget ran out.
struct OutOfSteps;

impl<'h, M: Model> Search<'h, M> {
    /// A search that steps the model at most `steps_max` times.
    pub(super) fn new(model: &'h M, history: &'h History<M::Op, M::Ret>, steps_max: u64) -> Self {
        let (mut answered, mut calls) = (Vec::new(), Vec::new());
        for (index, operation) in history.operations().iter().enumerate() {
            match operation.outcome {
                Outcome::Ok(_) => answered.push(index),
                Outcome::Failed => {}
                Outcome::Unknown => calls.push(index),
            }
        }
        answered.sort_unstable_by_key(|index| history.span(*index).call);
        calls.sort_unstable_by_key(|index| history.span(*index).call);
        let start = Node {
            placed: Placed::default(),
            count: 0,
            used: Used::default(),
            promise: 0,
            state: model.init(),
            came: None,
        };
        let first = Task { promise: 0, number: 0, node: 0, what: What::Answer };
        Self {
            model,
            history,
            answered,
            unknown: by_kind(history, calls),
            nodes: vec![start],
            tasks: BinaryHeap::from([first]),
            tasks_made: 1,
            visited: Visited::default(),
            longest: 0,
            steps: 0,
            steps_max,
        }
    }

    /// Searches until the end; the steps it took come with it.
    pub(super) fn run(mut self) -> (End, u64) {
        let done = self.search();
        let order = self.order(self.longest);
        let end = match done {
            Ok(()) if self.nodes[self.longest].count == self.answered.len() => End::Found(order),
            Ok(()) => End::Stuck(order),
            Err(OutOfSteps) => End::OutOfSteps(order),
        };
        (end, self.steps)
    }

    /// Works until everything answered is placed or there is nothing left to do.
    fn search(&mut self) -> Result<(), OutOfSteps> {
        while self.nodes[self.longest].count < self.answered.len() {
            let Some(Task { node, what, .. }) = self.tasks.pop() else {
                break;
            };
            match what {
                What::Answer => self.answer(node)?,
                What::Extend => self.extend(node)?,
            }
        }
        Ok(())
    }

    /// Places each answered operation that may come next and whose answer fits.
    fn answer(&mut self, from: usize) -> Result<(), OutOfSteps> {
        let mut fitting = Vec::new();
        let mut read = false;
        for position in self.candidates(from).0 {
            let index = self.answered[position];
            let Some(state) = self.step(from, index)? else {
                continue;
            };
            read = self.model.is_read(&self.history.operations()[index].op);
            if read {
                fitting.clear();
            }
            fitting.push((position, state));
            if read {
                break;
            }
        }
        if !read {
            self.add_task(self.nodes[from].promise - UNKNOWN_COST, from, What::Extend);
        }
        for (position, state) in fitting.into_iter().rev() {
            let node = &self.nodes[from];
            self.add(Node {
                placed: node.placed.with(position),
                count: node.count + 1,
                used: node.used.clone(),
                promise: node.promise + 1,
                state,
                came: Some((from, Step::Answered(position))),
            });
        }
        Ok(())
    }

    /// Places an unknown operation of each kind that may come next and changes something.
    fn extend(&mut self, from: usize) -> Result<(), OutOfSteps> {
        let horizon = self.candidates(from).1;
        for kind in 0..self.unknown.len() {
            let node = &self.nodes[from];
            let Some(&index) = self.unknown[kind].get(node.used.of(kind)) else {
                continue;
            };
            if self.history.span(index).call > horizon {
                continue;
            }
            let Some(state) = self.step(from, index)? else {
                continue;
            };
            let node = &self.nodes[from];
            if state == node.state {
                continue;
            }
            self.add(Node {
                placed: node.placed.clone(),
                count: node.count,
                used: node.used.with(kind),
                promise: node.promise - UNKNOWN_COST,
                state,
                came: Some((from, Step::Unknown(kind))),
            });
        }
        Ok(())
    }

    fn step(&mut self, from: usize, index: usize) -> Result<Option<M::State>, OutOfSteps> {
        if self.steps >= self.steps_max {
            return Err(OutOfSteps);
        }
        self.steps += 1;
        let operation = &self.history.operations()[index];
        Ok(self.model.step(&self.nodes[from].state, &operation.op, operation.outcome.answer()))
    }

    /// Takes up a node, if it is worth it.
    fn add(&mut self, node: Node<M::State>) {
        if !self.visited.visit(&node.placed, &node.state, &node.used) {
            return;
        }
        let at = self.nodes.len();
        if node.count > self.nodes[self.longest].count {
            self.longest = at;
        }
        self.add_task(node.promise, at, What::Answer);
        self.nodes.push(node);
    }

    fn add_task(&mut self, promise: i64, node: usize, what: What) {
        self.tasks.push(Task { promise, number: self.tasks_made, node, what });
        self.tasks_made += 1;
    }

    /// The unplaced answered operations that no other of them returned before, those that returned
    /// first in front; and the first return among them, for which whatever was called later waits.
    fn candidates(&self, from: usize) -> (Vec<usize>, usize) {
        let span = |position: usize| self.history.span(self.answered[position]);
        let (mut found, mut horizon) = (Vec::new(), usize::MAX);
        for position in self.nodes[from].placed.unplaced(self.answered.len()) {
            if span(position).call > horizon {
                break;
            }
            horizon = horizon.min(span(position).ret);
            found.push(position);
        }
        found.sort_unstable_by_key(|position| span(*position).ret);
        (found, horizon)
    }

    /// What is placed at a node, in order, as indexes of the history.
    fn order(&self, node: usize) -> Vec<usize> {
        let came = |node: usize| self.nodes[node].came;
        let mut steps: Vec<Step> =
            std::iter::successors(came(node), |(from, _)| came(*from)).map(|(_, step)| step).collect();
        steps.reverse();
        let mut calls: Vec<_> = self.unknown.iter().map(|calls| calls.iter().copied()).collect();
        let index = |step: Step| match step {
            Step::Answered(position) => Some(self.answered[position]),
            Step::Unknown(kind) => calls[kind].next(),
        };
        steps.into_iter().filter_map(index).collect()
    }
}

/// Sorts unknown calls into kinds that are equal to the model.
fn by_kind<O: Eq + Hash, R>(history: &History<O, R>, calls: Vec<usize>) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    let mut known: FxHashMap<&O, usize> = FxHashMap::default();
    for index in calls {
        let kind = *known.entry(&history.operations()[index].op).or_insert(kinds.len());
        if kind == kinds.len() {
            kinds.push(Vec::new());
        }
        kinds[kind].push(index);
    }
    kinds
}
