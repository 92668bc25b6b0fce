//! An object held by a transaction: lent by the task that runs it, and given back changed or as it was.

use std::{collections::VecDeque, sync::Arc};

use abide_core::{
    Error, Incarnation, Json, Key, Seq, Timestamp,
    error::Code,
    port::store::{Alarm, Commit, Outcome, Write},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Activation, Answer, Cell, Held, Issued, Live,
    deliver::out_of_time,
    finish::{remember, weigh},
    settle::lost,
    turn::{Seen, keep_unstored, run_exclusive},
};
use crate::{
    call::GRACE,
    context::{Context, Owner},
    effects::{Effects, TimerChange},
    job::{CallKey, Envelope, Origin, Target},
    node::NodeCore,
    object::{Access, Running},
    options::Mutant,
    pipeline::Behind,
};

/// What an object was before a transaction took it.
pub(super) struct Before {
    /// The lease of the transaction that holds it.
    lease: u64,
    exists: bool,
    state: Option<Json>,
    stale: bool,
    version: u32,
    head: Seq,
    floor: Seq,
    incarnation: Incarnation,
    created_at: Timestamp,
    updated_at: Timestamp,
    alarms: Vec<Alarm>,
    marks: VecDeque<(Seq, Timestamp)>,
}

/// A transaction's wish to hold an object, as it waits in the object's mailbox.
pub(crate) struct Claim(Mutex<Option<oneshot::Sender<Result<Lease, Error>>>>);

/// An object in the hands of a transaction. Dropping it gives the object back as it was before.
pub(crate) struct Lease {
    pub(crate) activation: Arc<Activation>,
    number: u64,
    live: Option<Box<Live>>,
    /// The object is not what it was.
    changed: bool,
    back: Option<oneshot::Sender<Returned>>,
}

/// An object that comes back from a transaction.
struct Returned {
    live: Box<Live>,
    /// It is not what it was, and what was done to it was not committed.
    changed: bool,
}

/// A held object, and what the transaction has done to it so far.
pub(crate) struct Member {
    pub(crate) lease: Lease,
    /// What is to be made durable if the transaction commits.
    pending: Option<Box<Behind>>,
    timers: Vec<TimerChange>,
    /// The transaction depends on what the object is.
    touched: bool,
}

/// What a transaction waits for after its commits were issued.
pub(crate) enum Gate {
    /// One group: it is durable if one of its members is.
    Group(Vec<oneshot::Receiver<Result<(), Error>>>),
    /// What was read: all of it must be durable.
    Reads(Vec<oneshot::Receiver<Result<(), Error>>>),
}

impl Claim {
    pub(crate) fn new(answer: oneshot::Sender<Result<Lease, Error>>) -> Self {
        Self(Mutex::new(Some(answer)))
    }

    /// Says why the object cannot be had.
    pub(crate) fn refuse(&self, error: Error) {
        if let Some(answer) = self.0.lock().take() {
            drop(answer.send(Err(error)));
        }
    }

    /// Hands the object over; if nobody wants it any more, the lease is dropped, which gives it back.
    fn grant(&self, lease: Lease) {
        if let Some(answer) = self.0.lock().take() {
            drop(answer.send(Ok(lease)));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(back), Some(live)) = (self.back.take(), self.live.take()) {
            drop(back.send(Returned { live, changed: self.changed }));
        }
    }
}

impl Member {
    pub(crate) fn new(lease: Lease) -> Self {
        Self { lease, pending: None, timers: Vec::new(), touched: false }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.lease.activation.key
    }

    fn is_deleted(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| matches!(pending.commit.write, Write::Delete { .. }))
    }
}

impl NodeCore {
    /// Lends the object to a transaction and waits until it comes back, or the transaction's time is over.
    pub(super) async fn lend(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        live: Option<Box<Live>>,
        claim: &Claim,
        deadline: Instant,
    ) -> Option<Box<Live>> {
        let (back, returned) = oneshot::channel();
        let number = self.next_commit_id();
        let live = match live.map_or_else(|| activation.revive(), Ok) {
            Ok(live) => live,
            Err(error) => {
                claim.refuse(error);
                return None;
            }
        };
        activation.lend(number);
        claim.grant(Lease {
            activation: activation.clone(),
            number,
            live: Some(live),
            changed: false,
            back: Some(back),
        });
        let returned = timeout_at(deadline + GRACE, returned).await;
        activation.take_back(number);
        match returned.ok()?.ok()? {
            Returned { live, changed: false } => Some(live),
            Returned { mut live, changed: true } => activation.restore(&mut live),
        }
    }

    /// Runs a handler on a held object. Its answer is the transaction's alone.
    pub(crate) async fn turn_within(self: &Arc<Self>, member: &mut Member, mut envelope: Envelope) {
        let activation = member.lease.activation.clone();
        if member.is_deleted() {
            let detail =
                format!("{} was deleted earlier in this transaction; it can be called again after it", activation.key);
            return envelope.job.release(Err(Error::new(Code::Conflict, detail)));
        }
        let live = member.lease.live.take();
        let mut live = match live.map_or_else(|| activation.revive(), Ok) {
            Ok(live) => live,
            Err(error) => return envelope.job.release(Err(error)),
        };
        member.touched = true;
        let mut ctx = self.context(Owner::Activation(activation.clone()), &envelope, 0);
        let (deadline, name) = (envelope.deadline, envelope.info.name);
        let shared = envelope.info.access == Access::Shared;
        let turn = async {
            if shared {
                return match envelope.job.run(Target::Shared(&*live.object), &mut ctx) {
                    Running::Done(result) => result,
                    Running::Waiting(future) => future.await,
                };
            }
            member.lease.changed = true;
            let object = live.exclusive(&activation)?;
            run_exclusive(&activation, object, &mut envelope, &mut ctx).await
        };
        let ran = timeout_at(deadline, turn).await.unwrap_or_else(|_| {
            ctx.broken_off = true;
            Err(out_of_time(&activation.key, name))
        });
        self.finish_within(member, &mut live, envelope, ctx, ran);
        member.lease.live = live.sound();
    }

    /// Ends a turn of a transaction: what it did is kept in mind, and becomes durable with all the rest.
    fn finish_within(
        &self,
        member: &mut Member,
        live: &mut Live,
        mut envelope: Envelope,
        ctx: Context,
        ran: Result<(), Error>,
    ) {
        let activation = &member.lease.activation;
        if envelope.info.access == Access::Shared {
            envelope.measure(ran.as_ref().err());
            let (_, seq) = activation.seen();
            return envelope.job.release(ran.map(|()| seq));
        }
        let mut turned = weigh(activation, live, ctx, ran, &envelope.origin);
        envelope.measure(turned.error.as_ref());
        if let Some(error) = turned.error {
            return envelope.job.release(Err(error));
        }
        let mut cell = activation.cell.lock();
        if let Err(error) = cell.check_lease(&activation.key, member.lease.number) {
            drop(cell);
            return envelope.job.release(Err(error));
        }
        member.timers.append(&mut turned.effects.timers);
        let commit = self.commit_of(activation, &mut cell, live, &mut envelope, &mut turned);
        let seq = cell.head;
        if let Some((commit, issued)) = commit {
            Behind::merge(&mut member.pending, commit, issued);
        }
        if !turned.effects.signals.is_empty() {
            let pending = member.pending.get_or_insert_with(|| self.guard_of(activation, &cell));
            pending.issued.signals.append(&mut turned.effects.signals);
        }
        drop(cell);
        envelope.job.release(Ok(seq));
    }

    /// The outcome of a transaction that was made before with this key. It is kept with the first object.
    pub(crate) async fn outcome_of_before(&self, member: &Member, key: &CallKey) -> Result<Option<Outcome>, Error> {
        let activation = &member.lease.activation;
        match self.look_up(activation, Some(key), &Origin::Call).await? {
            Seen::Nothing | Seen::Before(None) => Ok(None),
            Seen::Before(Some(outcome)) => {
                if let Some(durable) = activation.wait_durable() {
                    durable.await.unwrap_or_else(|_| Err(lost()))?;
                }
                Ok(Some(outcome))
            }
        }
    }

    /// Issues what a transaction did as one group of commits, and gives the objects back. Nothing is issued
    /// if one of them is not what it was believed to be.
    ///
    /// `outcome` is what a keyed transaction leaves behind, but for the seq.
    pub(crate) fn commit_together(
        self: &Arc<Self>,
        mut members: Vec<Member>,
        outcome: Option<Outcome>,
    ) -> Result<Gate, Error> {
        let activations: Vec<Arc<Activation>> = members.iter().map(|m| m.lease.activation.clone()).collect();
        // In the order of the keys, as always when several are taken at once.
        let mut cells: Vec<MutexGuard<'_, Cell>> = activations.iter().map(|a| a.cell.lock()).collect();
        for (member, cell) in members.iter().zip(&cells) {
            cell.check_lease(member.key(), member.lease.number)?;
        }
        if outcome.is_none() && members.iter().all(|member| member.pending.is_none()) {
            drop(cells);
            let touched = members.iter().filter(|member| member.touched);
            return Ok(Gate::Reads(touched.filter_map(|m| m.lease.activation.wait_durable()).collect()));
        }
        if let (Some(first), Some(mut outcome)) = (members.first_mut(), outcome) {
            first.touched = true;
            outcome.seq = cells[0].head;
            let number = cells[0].issued + 1;
            remember(&mut cells[0], true, number, Some(&outcome), None);
            let pending = first.pending.get_or_insert_with(|| self.guard_of(&activations[0], &cells[0]));
            pending.commit.outcomes.push(outcome);
        }
        let (mut commits, mut gates) = (Vec::new(), Vec::new());
        for (index, member) in members.iter_mut().enumerate().filter(|(_, member)| member.touched) {
            let (activation, cell) = (&activations[index], &mut cells[index]);
            let pending = member.pending.take().unwrap_or_else(|| self.guard_of(activation, cell));
            let Behind { commit, mut issued, .. } = *pending;
            gates.push(cell.issue_member(activation, &mut issued, self.tick()));
            commits.push((commit, issued));
        }
        self.submit_together(commits);
        cells.iter_mut().zip(&members).for_each(|(cell, member)| cell.keep(member.lease.number));
        drop(cells);
        for mut member in members {
            let mut effects = Effects { timers: std::mem::take(&mut member.timers), ..Effects::default() };
            self.set_timers(&member.lease.activation, &mut effects);
            member.lease.changed = false;
        }
        Ok(Gate::Group(gates))
    }

    fn submit_together(self: &Arc<Self>, mut commits: Vec<(Commit, Issued)>) {
        if self.options.mutant(Mutant::GroupIgnored) {
            return commits.into_iter().for_each(|(commit, issued)| self.pipeline.submit(self, commit, issued));
        }
        if let [(commit, _), _, ..] = &*commits {
            let group = Some(commit.id);
            commits.iter_mut().for_each(|(commit, _)| commit.group = group);
        }
        self.pipeline.submit_group(self, commits);
    }

    /// A commit that changes nothing: it holds the group to what the transaction saw of the object.
    fn guard_of(&self, activation: &Activation, cell: &Cell) -> Box<Behind> {
        let (key, shard) = (activation.key.clone(), activation.key.shard(self.shards));
        let kept = Commit::keep(key, shard, self.epoch(shard), self.next_commit_id(), cell.head);
        let commit = Commit { incarnation: cell.incarnation, ..kept };
        Box::new(Behind::new(commit, Issued::nothing()))
    }
}

impl Gate {
    /// Waits until what the transaction did, or saw, is durable.
    pub(crate) async fn opened(self) -> Result<(), Error> {
        match self {
            Self::Reads(gates) => {
                for gate in gates {
                    gate.await.unwrap_or_else(|_| Err(lost()))?;
                }
                Ok(())
            }
            Self::Group(gates) => {
                let mut failure: Option<Error> = None;
                for gate in gates {
                    match gate.await.unwrap_or_else(|_| Err(lost().maybe_applied(true))) {
                        Ok(()) => return Ok(()),
                        Err(error) => {
                            if failure.as_ref().is_none_or(|known| !known.is_maybe_applied()) {
                                failure = Some(error);
                            }
                        }
                    }
                }
                failure.map_or(Ok(()), Err)
            }
        }
    }
}

impl Cell {
    /// What the object is to everybody but the transaction that holds it.
    pub(super) fn before(&self) -> Option<&Before> {
        self.extras.as_ref()?.before.as_deref()
    }

    /// Whether a transaction holds the object: its state is then not to be seen.
    pub(super) fn is_lent(&self) -> bool {
        self.before().is_some()
    }

    fn check_lease(&self, key: &Key, lease: u64) -> Result<(), Error> {
        if self.broken {
            return Err(lost());
        }
        if self.before().is_some_and(|before| before.lease == lease) {
            return Ok(());
        }
        let detail = format!(
            "the transaction's time was over, and {key} was given to others; nothing was changed; \
             give it more time or less to do"
        );
        Err(Error::new(Code::Deadline, detail))
    }

    /// Gives a commit of a group its place among the object's commits; says when it is settled.
    fn issue_member(
        &mut self,
        activation: &Arc<Activation>,
        issued: &mut Issued,
        tick: u32,
    ) -> oneshot::Receiver<Result<(), Error>> {
        let (tx, rx) = oneshot::channel();
        self.issued += 1;
        self.last_used = tick;
        issued.activation = Some(activation.clone());
        issued.number = self.issued;
        let held = Held { number: self.issued, seq: self.head, answer: Answer::Wake(tx) };
        self.waiting().gate.push_back(held);
        rx
    }

    /// What the transaction made of the object stands.
    fn keep(&mut self, lease: u64) {
        let exists = self.exists;
        if let Some(extras) = self.extras.as_mut().filter(|extras| extras.before.is_some()) {
            if !exists {
                extras.timers = crate::timer::Timers::default();
            }
            if extras.before.as_ref().is_some_and(|before| before.lease == lease) {
                extras.before = None;
            }
        }
    }
}

impl Before {
    /// State, schema version and seq, as they are to everybody else.
    pub(super) fn state(&self) -> (Option<Json>, u32, Seq) {
        (self.state.clone(), self.version, self.head)
    }
}

impl Activation {
    fn lend(&self, lease: u64) {
        let mut cell = self.cell.lock();
        let before = Before {
            lease,
            exists: cell.exists,
            state: cell.state.clone(),
            stale: cell.stale,
            version: cell.version,
            head: cell.head,
            floor: cell.floor,
            incarnation: cell.incarnation,
            created_at: cell.created_at,
            updated_at: cell.updated_at,
            alarms: cell.alarms().to_vec(),
            marks: cell.extras.as_ref().map_or_else(VecDeque::new, |extras| extras.marks.clone()),
        };
        cell.extras().before = Some(Box::new(before));
    }

    /// The object as it was before a transaction that gave up. Its fields that are not stored are as the
    /// transaction's turns left them, as after a turn that fails.
    fn restore(&self, changed: &mut Live) -> Option<Box<Live>> {
        // If it cannot be decoded, whoever comes next is told why.
        let mut live = self.revive().ok()?;
        if !self.is_absent() {
            keep_unstored(&mut live.object, &mut changed.object);
        }
        Some(live)
    }

    /// Undoes what the transaction did, unless it was committed.
    fn take_back(&self, lease: u64) {
        let mut cell = self.cell.lock();
        let Some(extras) = &mut cell.extras else { return };
        let Some(before) = extras.before.take_if(|before| before.lease == lease) else { return };
        extras.marks = before.marks;
        cell.exists = before.exists;
        cell.state = before.state;
        cell.stale = before.stale;
        cell.version = before.version;
        cell.head = before.head;
        cell.floor = before.floor;
        cell.incarnation = before.incarnation;
        cell.created_at = before.created_at;
        cell.updated_at = before.updated_at;
        cell.set_alarms(before.alarms);
    }
}
