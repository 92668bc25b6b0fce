//! Why a history has no order.

use std::fmt;
use std::fmt::Debug;

use rustc_hash::FxHashSet;

use super::Model;
use super::history::{History, Operation};
use crate::check::outcome::Outcome;
use crate::check::violation::At;

/// How many operations of the longest order are printed, the last ones.
const PLACED_PRINTED: usize = 6;
/// How many operations that could come next are printed.
const BLOCKED_PRINTED: usize = 10;
/// How many later operations the timeline shows.
const LATER_PRINTED: usize = 4;

/// The longest order that explains some of a history's answers, and what cannot follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The longest order found, as indexes of the history's operations.
    pub placed: Vec<usize>,
    /// The answered operations that may come next, none of which led to a complete order, as
    /// indexes of the history's operations. The first is the one that returned first: everything
    /// called after that return waits for it.
    pub blocked: Vec<usize>,
    text: String,
}

impl Explanation {
    pub(super) fn new<M: Model>(model: &M, history: &History<M::Op, M::Ret>, placed: Vec<usize>) -> Self {
        let known: FxHashSet<usize> = placed.iter().copied().collect();
        let mut later: Vec<usize> = (0..history.operations().len())
            .filter(|index| history.operations()[*index].outcome.is_acknowledged() && !known.contains(index))
            .collect();
        later.sort_unstable_by_key(|index| history.span(*index).ret);
        let horizon = later.first().map_or(usize::MAX, |index| history.span(*index).ret);
        let (blocked, later): (Vec<_>, Vec<_>) =
            later.into_iter().partition(|index| history.span(*index).call < horizon);
        let text = describe(model, history, &placed, &blocked, &later);
        Self { placed, blocked, text }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn describe<M: Model>(
    model: &M,
    history: &History<M::Op, M::Ret>,
    placed: &[usize],
    blocked: &[usize],
    later: &[usize],
) -> String {
    let answered = |indexes: &[usize]| {
        indexes.iter().filter(|index| history.operations()[**index].outcome.is_acknowledged()).count()
    };
    let of = answered(placed) + blocked.len() + later.len();
    let states = replay(model, history, placed);
    let mut lines = vec![format!(
        "the longest order that explains its answers has {} of {of} answered operations and ends in state {:?}",
        answered(placed),
        states.last().unwrap_or(&model.init()),
    )];
    let skipped = placed.len().saturating_sub(PLACED_PRINTED);
    if skipped > 0 {
        lines.push(format!("  … {skipped} before"));
    }
    for (index, state) in placed.iter().zip(&states).skip(skipped) {
        lines.push(format!("  {} makes {state:?}", call(&history.operations()[*index])));
    }
    lines.push("what must come next, and cannot:".to_owned());
    for index in blocked.iter().take(BLOCKED_PRINTED) {
        let operation = &history.operations()[*index];
        lines.push(format!("  {}, {}", call(operation), times(operation)));
    }
    lines.push("in the order of events (= running, ? outcome unknown, X cannot be placed):".to_owned());
    lines.extend(timeline(history, &placed[skipped..], blocked, later));
    lines.join("\n")
}

/// The state after each operation of `order`.
fn replay<M: Model>(model: &M, history: &History<M::Op, M::Ret>, order: &[usize]) -> Vec<M::State> {
    let mut state = model.init();
    let step = |index: &usize| {
        let operation = &history.operations()[*index];
        state = model.step(&state, &operation.op, operation.outcome.answer())?;
        Some(state.clone())
    };
    order.iter().map_while(step).collect()
}

/// One row for each operation around the place where the order ends.
fn timeline<O: Debug, R: Debug>(
    history: &History<O, R>,
    placed: &[usize],
    blocked: &[usize],
    later: &[usize],
) -> Vec<String> {
    let mut rows: Vec<usize> = placed.to_vec();
    rows.extend(blocked.iter().take(BLOCKED_PRINTED));
    rows.extend(later.iter().take(LATER_PRINTED));
    rows.sort_unstable_by_key(|index| history.span(*index).call);
    let mut events: Vec<usize> = Vec::new();
    for index in &rows {
        let span = history.span(*index);
        events.push(span.call);
        if history.operations()[*index].outcome.is_acknowledged() {
            events.push(span.ret);
        }
    }
    events.sort_unstable();
    let column = |event: usize| events.partition_point(|known| *known < event);
    let row = |index: &usize| {
        let operation = &history.operations()[*index];
        let from = column(history.span(*index).call);
        let (to, end) = match operation.outcome {
            Outcome::Ok(_) => (column(history.span(*index).ret), "]"),
            Outcome::Failed | Outcome::Unknown => (events.len(), "?"),
        };
        let bar = format!("{}[{}{end}", " ".repeat(from), "=".repeat(to - from - 1));
        let mark = if blocked.contains(index) { 'X' } else { ' ' };
        format!("  {mark} {bar:<width$}  {}", call(operation), width = events.len() + 1)
    };
    rows.iter().map(row).collect()
}

fn call<O: Debug, R: Debug>(operation: &Operation<O, R>) -> String {
    let Operation { client, op, .. } = operation;
    match &operation.outcome {
        Outcome::Ok(answer) => format!("client {client}: {op:?} -> {answer:?}"),
        Outcome::Failed => format!("client {client}: {op:?} failed"),
        Outcome::Unknown => format!("client {client}: {op:?} -> ?"),
    }
}

fn times<O, R>(operation: &Operation<O, R>) -> String {
    match operation.returned_ns {
        Some(returned_ns) => format!("called at {}, returned at {}", At(operation.called_ns), At(returned_ns)),
        None => format!("called at {}", At(operation.called_ns)),
    }
}
