//! What clients called and were told.

use crate::check::outcome::Outcome;

/// The calls on one object, in the order they were made, with what came of them.
///
/// What came before what is taken from the order in which [`called`](Self::called) and
/// [`returned`](Self::returned) were used, not from the times: a recorder sees one event after
/// another even when virtual time stands still. The times are for the reader.
#[derive(Debug, Clone)]
pub struct History<O, R> {
    operations: Vec<Operation<O, R>>,
    spans: Vec<Span>,
    events: usize,
}

/// One call on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<O, R> {
    /// Who called.
    pub client: u64,
    /// What was called.
    pub op: O,
    /// When it was called, in virtual nanoseconds.
    pub called_ns: u64,
    /// When the caller was answered or gave up, in virtual nanoseconds; `None` if it still waits.
    pub returned_ns: Option<u64>,
    /// What the caller knows.
    pub outcome: Outcome<R>,
}

/// A call recorded by [`History::called`], to be ended with [`History::returned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(usize);

/// When a call began and ended, as positions among all events of the history; no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) call: usize,
    /// `usize::MAX` while the call has not ended.
    pub(super) ret: usize,
}

impl<O, R> History<O, R> {
    /// An empty history.
    pub fn new() -> Self {
        Self { operations: Vec::new(), spans: Vec::new(), events: 0 }
    }

    /// The history of calls recorded elsewhere with comparable times. Calls at the same instant as
    /// a return count as concurrent with it, so that a coarse clock cannot accuse anybody.
    ///
    /// # Panics
    /// If an operation returned before it was called, or was answered without a return time.
    pub fn from_operations(operations: Vec<Operation<O, R>>) -> Self {
        const CALL: u8 = 0;
        const RETURN: u8 = 1;
        let mut events = Vec::with_capacity(operations.len() * 2);
        for (at, operation) in operations.iter().enumerate() {
            events.push((operation.called_ns, CALL, at));
            match operation.returned_ns {
                Some(returned_ns) => {
                    assert!(returned_ns >= operation.called_ns, "BUG: operation {at} returned before it was called");
                    events.push((returned_ns, RETURN, at));
                }
                None => assert!(!operation.outcome.is_acknowledged(), "BUG: operation {at} was answered at no time"),
            }
        }
        events.sort_unstable();
        let mut spans = vec![Span { call: 0, ret: usize::MAX }; operations.len()];
        for (position, (_, event, at)) in events.iter().enumerate() {
            if *event == CALL {
                spans[*at].call = position;
            } else {
                spans[*at].ret = position;
            }
        }
        Self { operations, spans, events: events.len() }
    }

    /// Records that `client` made a call at `now_ns`.
    pub fn called(&mut self, client: u64, op: O, now_ns: u64) -> CallId {
        let id = CallId(self.operations.len());
        let outcome = Outcome::Unknown;
        self.operations.push(Operation { client, op, called_ns: now_ns, returned_ns: None, outcome });
        self.spans.push(Span { call: self.events, ret: usize::MAX });
        self.events += 1;
        id
    }

    /// Records what became of a call, at `now_ns`.
    ///
    /// # Panics
    /// If the call is not of this history or has returned before.
    pub fn returned(&mut self, id: CallId, outcome: Outcome<R>, now_ns: u64) {
        let operation = &mut self.operations[id.0];
        assert!(operation.returned_ns.is_none(), "BUG: call {} returned twice", id.0);
        operation.returned_ns = Some(now_ns);
        operation.outcome = outcome;
        self.spans[id.0].ret = self.events;
        self.events += 1;
    }

    /// The calls, in the order they were recorded.
    pub fn operations(&self) -> &[Operation<O, R>] {
        &self.operations
    }

    /// When the operation at `index` began and ended.
    pub(super) fn span(&self, index: usize) -> Span {
        self.spans[index]
    }
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(called_ns: u64, returned_ns: Option<u64>, outcome: Outcome<()>) -> Operation<&'static str, ()> {
        Operation { client: 1, op: "op", called_ns, returned_ns, outcome }
    }

    #[test]
    fn a_recorded_history_orders_events_of_the_same_instant() {
        let mut history: History<&str, ()> = History::new();
        let first = history.called(1, "first", 7);
        history.returned(first, Outcome::Ok(()), 7);
        history.called(1, "second", 7);
        assert!(history.span(0).ret < history.span(1).call);
        assert_eq!(history.operations()[1].outcome, Outcome::Unknown);
    }

    #[test]
    fn operations_that_touch_at_an_instant_are_concurrent() {
        let history = History::from_operations(vec![
            operation(5, Some(9), Outcome::Ok(())),
            operation(9, Some(9), Outcome::Ok(())),
            operation(10, None, Outcome::Unknown),
        ]);
        assert!(history.span(1).call < history.span(0).ret);
        assert!(history.span(1).ret < history.span(2).call);
        assert_eq!(history.span(2).ret, usize::MAX);
    }

    #[test]
    #[should_panic(expected = "operation 0 returned before it was called")]
    fn an_operation_cannot_return_before_its_call() {
        History::from_operations(vec![operation(5, Some(4), Outcome::Ok(()))]);
    }

    #[test]
    #[should_panic(expected = "call 0 returned twice")]
    fn a_call_cannot_return_twice() {
        let mut history: History<&str, ()> = History::new();
        let id = history.called(1, "op", 0);
        history.returned(id, Outcome::Failed, 1);
        history.returned(id, Outcome::Failed, 2);
    }
}
