//! The search for an order that explains a history.
//!
//! The search places answered operations one after another, depth first. An operation may be next
//! if no other unplaced one returned before it was called; a configuration (what is placed, and
//! the state that makes) is visited once. On top of that:
//!
//! - **An answered read** is placed as soon as its answer fits, and nothing else is tried: any order
//!   that goes on from here can be changed to have it first.
//! - **Unknown operations are placed only when answers need them**: a run of them is put before an
//!   answered one, shorter runs first. What is left of them at the end has not happened.
//! - **Equal unknown operations are interchangeable**, since none of them ever has to be placed:
//!   the one called first stands for all, and a configuration only counts them.
//! - **An unknown operation that changes nothing** is not placed: it may still be needed later.

use std::collections::VecDeque;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::Model;
use super::history::History;
use super::unplaced::Unplaced;
use super::visited::Visited;
use crate::check::outcome::Outcome;

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
    unplaced: Unplaced,
    visited: Visited<M::State>,
    /// How long a run of unknown operations may be in this round, and whether that cut any off.
    run_max: usize,
    cut_off: bool,
    frames: Vec<Frame<M::State>>,
    longest: Vec<usize>,
    longest_answered: usize,
    steps: u64,
    steps_max: u64,
}

/// A place in the order: what was put there, and what may come next.
struct Frame<S> {
    /// What was placed to come here: a run of unknown operations, then an answered one.
    placed: Option<Move<S>>,
    /// How many of each kind of unknown operation are placed, in all.
    used: Vec<u32>,
    /// What may be answered next, by position in `answered`.
    candidates: Vec<usize>,
    /// The first return among the unplaced: whatever was called later must wait.
    horizon: usize,
    /// Found next moves, the best last.
    moves: Vec<Move<S>>,
    /// Where to look for more.
    tasks: VecDeque<Task<S>>,
}

/// What to do next in a frame.
enum Task<S> {
    /// Try to place an answered operation after the node.
    Answer(Node<S>),
    /// Put one more unknown operation after the node.
    Extend(Node<S>),
}

/// A state that unknown operations alone lead to from a frame.
struct Node<S> {
    state: S,
    /// The kinds of the unknown operations placed since the frame.
    run: Vec<usize>,
}

/// A run of unknown operations and one answered operation after it.
struct Move<S> {
    /// The kinds of the unknown operations.
    run: Vec<usize>,
    /// The answered one, by position in `answered`.
    next: usize,
    /// The state after it.
    state: S,
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
        Self {
            model,
            history,
            unplaced: Unplaced::new(answered.len()),
            answered,
            unknown: by_kind(history, calls),
            visited: Visited::default(),
            run_max: 1,
            cut_off: false,
            frames: Vec::new(),
            longest: Vec::new(),
            longest_answered: 0,
            steps: 0,
            steps_max,
        }
    }

    /// Searches until the end; the steps it took come with it.
    pub(super) fn run(mut self) -> (End, u64) {
        loop {
            match self.round() {
                Ok(true) => return (End::Found(self.order()), self.steps),
                Ok(false) if self.cut_off => self.allow_longer_runs(),
                Ok(false) => return (End::Stuck(self.longest), self.steps),
                Err(OutOfSteps) => {
                    self.keep_longest();
                    return (End::OutOfSteps(self.longest), self.steps);
                }
            }
        }
    }

    /// Searches with the runs allowed now, and says whether it found an order.
    fn round(&mut self) -> Result<bool, OutOfSteps> {
        let nothing = vec![0; self.unknown.len()];
        self.enter(None, nothing, self.model.init());
        while let Some(frame) = self.frames.last_mut() {
            if self.unplaced.is_empty() {
                return Ok(true);
            } else if let Some(found) = frame.moves.pop() {
                let used = with_run(&frame.used, &found.run);
                let state = found.state.clone();
                self.unplaced.place(found.next);
                self.enter(Some(found), used, state);
            } else if let Some(task) = frame.tasks.pop_front() {
                match task {
                    Task::Answer(node) => self.answer(node)?,
                    Task::Extend(node) => self.extend(&node)?,
                }
            } else {
                self.leave();
            }
        }
        Ok(false)
    }

    fn allow_longer_runs(&mut self) {
        self.cut_off = false;
        self.run_max *= 2;
        self.visited = Visited::default();
    }

    fn enter(&mut self, placed: Option<Move<M::State>>, used: Vec<u32>, state: M::State) {
        let (candidates, horizon) = self.candidates();
        let tasks = VecDeque::from([Task::Answer(Node {
            state,
            run: Vec::new(),
        })]);
        self.frames.push(Frame {
            placed,
            used,
            candidates,
            horizon,
            moves: Vec::new(),
            tasks,
        });
    }

    fn leave(&mut self) {
        self.keep_longest();
        if let Some(Frame {
            placed: Some(placed),
            ..
        }) = self.frames.pop()
        {
            self.unplaced.restore(placed.next);
        }
    }

    /// Finds the answered operations that can come right after `node`.
    fn answer(&mut self, node: Node<M::State>) -> Result<(), OutOfSteps> {
        let frame = self.frames.len() - 1;
        let used = with_run(&self.frames[frame].used, &node.run);
        let mut found = Vec::new();
        let mut read = false;
        for at in 0..self.frames[frame].candidates.len() {
            let next = self.frames[frame].candidates[at];
            let index = self.answered[next];
            let Some(state) = self.step(&node.state, index)? else {
                continue;
            };
            if self.model.is_read(&self.history.operations()[index].op) {
                read = true;
                found.clear();
            }
            found.push((next, state));
            if read {
                break;
            }
        }
        for (next, state) in found.into_iter().rev() {
            if self.visit(Some(next), &used, &state) {
                let run = node.run.clone();
                self.frames[frame].moves.push(Move { run, next, state });
            }
        }
        if !read {
            self.frames[frame].tasks.push_back(Task::Extend(node));
        }
        Ok(())
    }

    /// Puts each kind of unknown operation after `node`.
    fn extend(&mut self, node: &Node<M::State>) -> Result<(), OutOfSteps> {
        let frame = self.frames.len() - 1;
        let mut used = with_run(&self.frames[frame].used, &node.run);
        for kind in 0..self.unknown.len() {
            let Some(&index) = self.unknown[kind].get(used[kind] as usize) else {
                continue;
            };
            if self.history.span(index).call > self.frames[frame].horizon {
                continue;
            }
            let Some(state) = self.step(&node.state, index)? else {
                continue;
            };
            if state == node.state {
                continue;
            }
            if node.run.len() >= self.run_max {
                self.cut_off = true;
                return Ok(());
            }
            used[kind] += 1;
            if self.visit(None, &used, &state) {
                let run = node.run.iter().copied().chain([kind]).collect();
                self.frames[frame]
                    .tasks
                    .push_back(Task::Answer(Node { state, run }));
            }
            used[kind] -= 1;
        }
        Ok(())
    }

    fn step(&mut self, state: &M::State, index: usize) -> Result<Option<M::State>, OutOfSteps> {
        if self.steps >= self.steps_max {
            return Err(OutOfSteps);
        }
        self.steps += 1;
        let operation = &self.history.operations()[index];
        Ok(self
            .model
            .step(state, &operation.op, operation.outcome.answer()))
    }

    /// Whether the configuration after placing `next` is worth going to.
    fn visit(&mut self, next: Option<usize>, used: &[u32], state: &M::State) -> bool {
        self.visited
            .visit(self.unplaced.signature(next), state.clone(), used)
    }

    /// The unplaced answered operations that no other of them returned before, those that returned
    /// first in front; and the first return among them.
    fn candidates(&self) -> (Vec<usize>, usize) {
        let span = |position: usize| self.history.span(self.answered[position]);
        let (mut found, mut horizon) = (Vec::new(), usize::MAX);
        for position in self.unplaced.iter() {
            if span(position).call > horizon {
                break;
            }
            horizon = horizon.min(span(position).ret);
            found.push(position);
        }
        found.sort_unstable_by_key(|position| span(*position).ret);
        (found, horizon)
    }

    fn keep_longest(&mut self) {
        let answered = self.frames.len().saturating_sub(1);
        if answered > self.longest_answered {
            self.longest_answered = answered;
            self.longest = self.order();
        }
    }

    /// What is placed, in order, as indexes of the history.
    fn order(&self) -> Vec<usize> {
        let mut calls: Vec<_> = self
            .unknown
            .iter()
            .map(|calls| calls.iter().copied())
            .collect();
        let mut order = Vec::new();
        for placed in self.frames.iter().filter_map(|frame| frame.placed.as_ref()) {
            order.extend(placed.run.iter().filter_map(|kind| calls[*kind].next()));
            order.push(self.answered[placed.next]);
        }
        order
    }
}

/// The counts after a run of unknown operations of these kinds.
fn with_run(used: &[u32], run: &[usize]) -> Vec<u32> {
    let mut used = used.to_vec();
    for kind in run {
        used[*kind] += 1;
    }
    used
}

/// Sorts unknown calls into kinds that are equal to the model.
fn by_kind<O: Eq + Hash, R>(history: &History<O, R>, calls: Vec<usize>) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    let mut known: FxHashMap<&O, usize> = FxHashMap::default();
    for index in calls {
        let kind = *known
            .entry(&history.operations()[index].op)
            .or_insert(kinds.len());
        if kind == kinds.len() {
            kinds.push(Vec::new());
        }
        kinds[kind].push(index);
    }
    kinds
}
