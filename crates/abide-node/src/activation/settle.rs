//! The gate: what waited for a commit leaves when the store has answered.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use abide_core::{ChangeRecord, Error, Seq, Timestamp, port::store::OutboxMessage};
use parking_lot::MutexGuard;
use tokio::sync::oneshot;

use super::{Activation, Answer, Cell, Held};
use crate::{context::Scope, effects::Signal, job::Job, node::NodeCore};

/// A commit on its way, and what is to be done once it is durable.
pub(crate) struct Issued {
    pub(crate) activation: Option<Arc<Activation>>,
    /// Its place among the activation's commits.
    pub(crate) number: u64,
    pub(crate) changes: Vec<ChangeRecord>,
    pub(crate) messages: Vec<OutboxMessage>,
    pub(crate) alarm: Option<Timestamp>,
    pub(crate) signals: Vec<Signal>,
    /// It is not to be sent: what it builds on is not there.
    pub(crate) doomed: Option<Error>,
}

impl Issued {
    /// With a commit that nobody hears of.
    pub(super) fn nothing() -> Self {
        Self {
            activation: None,
            number: 0,
            changes: Vec::new(),
            messages: Vec::new(),
            alarm: None,
            signals: Vec::new(),
            doomed: None,
        }
    }
}

/// What follows for an activation when one of its commits is settled.
struct Settled {
    /// The answers that leave now.
    released: Vec<Held>,
    /// It is a `behind` object, and what it owes meanwhile is to be written now: it is much, or its time is over.
    writes_now: bool,
    /// It is about to leave memory.
    leaving: bool,
}

/// Lets an answer out, or has it wait for its commit.
fn hold_behind_gate(mut cell: MutexGuard<'_, Cell>, held: Held) {
    if cell.broken {
        drop(cell);
        return held.release(Some(&lost()));
    }
    if held.number <= cell.settled {
        drop(cell);
        return held.release(None);
    }
    let gate = &mut cell.waiting().gate;
    let place = gate.partition_point(|other| other.number <= held.number);
    gate.insert(place, held);
}

/// What the store said of one commit.
pub(crate) type Verdict = Result<(), Error>;

impl NodeCore {
    /// Settles the next commit of an activation, in the order they were issued.
    pub(crate) fn settle(self: &Arc<Self>, issued: Issued, verdict: Verdict) {
        let Some(activation) = issued.activation else {
            return;
        };
        let (settled, failure) = match verdict {
            Ok(()) => {
                self.hub.publish(&activation.key, &issued.changes);
                self.signal(&activation.key, issued.signals);
                let settled = activation.settle_one(issued.number);
                if !issued.messages.is_empty() {
                    self.outbox.enqueue(self, issued.messages);
                }
                if let Some(due) = issued.alarm {
                    self.scheduler.notify(due);
                }
                (settled, None)
            }
            Err(error) => {
                tracing::warn!(key = %activation.key, %error, "a commit failed; the object is loaded afresh");
                self.find_out_later(&activation, &issued.messages, issued.alarm, &error);
                (activation.break_at(issued.number), Some(error))
            }
        };
        for held in settled.released {
            held.release(failure.as_ref());
        }
        if settled.writes_now {
            self.flush(&activation);
        }
        if settled.leaving {
            self.clean_up(&activation);
        }
    }

    /// Has everybody look into the store who must know of a commit that may be durable after all.
    fn find_out_later(
        &self,
        activation: &Activation,
        messages: &[OutboxMessage],
        alarm: Option<Timestamp>,
        error: &Error,
    ) {
        self.hub.unsure(&activation.key);
        if error.is_maybe_applied() {
            if !messages.is_empty() {
                self.outbox.unsure();
            }
            if let Some(due) = alarm {
                self.scheduler.notify(due);
            }
        }
    }
}

impl Activation {
    /// Releases `job` when commit `number` and all before it are settled.
    pub(crate) fn hold(&self, number: u64, seq: Seq, job: Box<dyn Job>, error: Option<Error>) {
        self.hold_answer(number, seq, Answer::Job(job, error));
    }

    pub(super) fn hold_answer(&self, number: u64, seq: Seq, answer: Answer) {
        hold_behind_gate(self.cell.lock(), Held { number, seq, answer });
    }

    /// Releases `job` once everything issued so far is durable.
    pub(super) fn hold_now(&self, job: Box<dyn Job>, error: Option<Error>) {
        let cell = self.cell.lock();
        let held = Held { number: cell.issued, seq: cell.head, answer: Answer::Job(job, error) };
        hold_behind_gate(cell, held);
    }

    fn settle_one(&self, number: u64) -> Settled {
        let mut cell = self.cell.lock();
        cell.note_settled(number);
        let settled = cell.settled;
        let mut released = Vec::new();
        if let Some(waiting) = &mut cell.waiting {
            while waiting.gate.front().is_some_and(|held| held.number <= settled) {
                released.extend(waiting.gate.pop_front());
            }
        }
        if cell.phase == super::Phase::Idle && cell.is_settled() {
            cell.trim();
        }
        let owes = cell.extras.as_ref().and_then(|extras| extras.behind.as_ref());
        let writes_now = cell.is_settled() && owes.is_some_and(|behind| cell.writes_late || behind.is_much());
        Settled { released, writes_now, leaving: cell.broken || cell.leaving }
    }

    /// The memory is no longer the truth: everything that waits for a commit fails.
    fn break_at(&self, number: u64) -> Settled {
        let mut cell = self.cell.lock();
        cell.note_settled(number);
        cell.broken = true;
        cell.live = None;
        let released = cell.waiting.as_mut().map_or_else(Vec::new, |waiting| std::mem::take(&mut waiting.gate).into());
        Settled { released, writes_now: false, leaving: true }
    }

    /// Waits until all commits issued so far are durable.
    pub(super) fn wait_durable(&self) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let (number, seq) = {
            let cell = self.cell.lock();
            if cell.is_settled() && !cell.broken {
                return None;
            }
            (cell.issued, cell.head)
        };
        let (tx, rx) = oneshot::channel();
        self.hold_answer(number, seq, Answer::Wake(tx));
        Some(rx)
    }
}

impl Scope {
    /// Waits until the turns before this one are durable: what they did may leave the node now.
    pub(crate) async fn durable(&self) -> Result<(), Error> {
        let Some(wait) = self.activation().and_then(|activation| activation.wait_durable()) else {
            return Ok(());
        };
        wait.await.unwrap_or_else(|_| Err(lost()))
    }
}

impl Cell {
    /// Commit `number` is settled. The pipeline settles them in the order they were issued.
    fn note_settled(&mut self, number: u64) {
        debug_assert_eq!(number, self.settled + 1, "BUG: a commit settled out of order");
        self.settled = number;
    }

    pub(super) fn hold(&mut self, number: u64, seq: Seq, job: Box<dyn Job>, error: Option<Error>) {
        let held = Held { number, seq, answer: Answer::Job(job, error) };
        self.waiting().gate.push_back(held);
    }
}

impl Held {
    fn release(self, failure: Option<&Error>) {
        let failure = failure.cloned();
        // Nothing of the users' runs here but the end of an answer that nobody takes. Others wait behind it.
        if catch_unwind(AssertUnwindSafe(|| self.give(failure))).is_err() {
            tracing::error!("what a handler returned panicked when it was dropped");
        }
    }

    fn give(self, failure: Option<Error>) {
        match self.answer {
            Answer::Job(job, error) => {
                let error = failure.or(error);
                job.release(error.map_or(Ok(self.seq), Err));
            }
            Answer::Stored(job, outcome) => match failure {
                Some(error) => job.release(Err(error)),
                None => job.release_stored(&outcome),
            },
            Answer::Wake(tx) => drop(tx.send(failure.map_or(Ok(()), Err))),
            Answer::Signals(node, key, signals) if failure.is_none() => node.signal(&key, signals),
            Answer::Signals(..) => {}
        }
    }
}

/// What an answer becomes whose object broke before it could leave.
pub(super) fn lost() -> Error {
    Error::unavailable("an earlier change of this object could not be made durable; nothing was changed; try again")
}

impl Cell {
    pub(super) fn issue_behind(&mut self, submit: impl FnOnce(crate::pipeline::Behind)) {
        if let Some(mut behind) = self.extras.as_mut().and_then(|extras| extras.behind.take()) {
            self.writes_late = false;
            self.issued += 1;
            behind.issued.number = self.issued;
            submit(*behind);
        }
    }
}

impl Activation {
    /// The time of what the object owes is over: issues it, unless what was owed before is still on its way. Then
    /// that has to be settled first; however short the interval, an object has one such commit on its way.
    pub(crate) fn take_behind_in_time(&self, submit: impl FnOnce(crate::pipeline::Behind)) {
        let mut cell = self.cell.lock();
        cell.writes_later = false;
        if cell.is_settled() {
            cell.issue_behind(submit);
        } else {
            cell.writes_late = cell.has_behind();
        }
    }

    /// Issues what the object owes the store, in order with its other commits.
    pub(crate) fn take_behind(&self, submit: impl FnOnce(crate::pipeline::Behind)) {
        let mut cell = self.cell.lock();
        cell.issue_behind(submit);
    }
}
