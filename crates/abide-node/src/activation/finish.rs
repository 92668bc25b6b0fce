//! The end of a turn: what it changed becomes one commit, and its answer waits behind the gate.

use std::{cell::RefCell, sync::Arc};

use abide_core::{
    ChangeRecord, Encoded, Error, Json, Key, Operations, Patch, Seq, Timestamp, Unknown,
    error::Code,
    port::store::{AlarmWrite, Commit, MessageId, OutboxMessage, Outcome, Strings, Write},
};

use super::{Activation, Answer, Cell, Issued, Live};
use crate::{
    change::{ChangeText, kept, snapshot_due, trim_below},
    context::Context,
    effects::{Effects, apply_alarms},
    job::{Envelope, Job, Origin, Purpose, guarded},
    kind::KindEntry,
    node::NodeCore,
    object::{Access, Durability, History},
    options::Mutant,
    outbox::is_refusal,
    pipeline::Behind,
    principal::Principal,
};

thread_local! {
    /// Where states are encoded: one warm buffer a thread instead of a cold one an object.
    static SCRATCH: RefCell<Encoded> = RefCell::default();
}

/// How many keyed outcomes and senders a volatile object remembers.
const VOLATILE_MEMORY_MAX: usize = 1024;

/// What a turn came to.
pub(super) struct Turned {
    now: Timestamp,
    patch: Patch,
    pub(super) effects: Effects,
    pub(super) error: Option<Error>,
    /// The encoded answer of a keyed call.
    reply: Option<Result<Json, Error>>,
    /// What takes the place of an object that is deleted.
    fresh: Option<Live>,
}

impl NodeCore {
    /// Ends a turn. The answer leaves when everything it depends on is durable.
    pub(super) fn finish(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        live: &mut Live,
        mut envelope: Envelope,
        ctx: Context,
        ran: Result<(), Error>,
    ) {
        if envelope.info.access == Access::Shared {
            envelope.measure(ran.as_ref().err());
            return activation.hold_now(envelope.job, ran.err());
        }
        let mut turned = weigh(activation, live, ctx, ran, &envelope.origin);
        envelope.measure(turned.error.as_ref());
        if envelope.call_key.is_some() {
            turned.reply = keyed_reply(&*envelope.job, turned.error.as_ref());
        }
        if turned.error.is_none() {
            self.set_timers(activation, &mut turned.effects);
        }
        let mut cell = activation.cell.lock();
        if cell.broken {
            drop(cell);
            let lost = Error::unavailable(
                "an earlier change of this object could not be made durable; nothing was changed; try again",
            );
            return envelope.job.release(Err(turned.error.unwrap_or(lost)));
        }
        cell.last_used = self.tick();
        let commit = self.commit_of(activation, &mut cell, live, &mut envelope, &mut turned);
        let seq = cell.head;
        match commit {
            Some((commit, issued)) if activation.kind.is_durable() => {
                self.issue(activation, cell, commit, issued, envelope.job, turned.error);
            }
            Some((_, issued)) => {
                drop(cell);
                self.hub.publish(&activation.key, &issued.changes);
                self.signal(&activation.key, issued.signals);
                envelope.job.release(turned.error.map_or(Ok(seq), Err));
            }
            None => {
                let number = cell.issued;
                drop(cell);
                let signals = std::mem::take(&mut turned.effects.signals);
                if !signals.is_empty() {
                    let leaving = Answer::Signals(self.clone(), activation.key.clone(), signals);
                    activation.hold_answer(number, seq, leaving);
                }
                activation.hold(number, seq, envelope.job, turned.error);
            }
        }
    }

    /// Ends the turn of an object that cannot be decoded. Its alarm is put off as after any failure, and
    /// given up in the end: nothing else would ever take it off the list.
    pub(super) fn finish_undecoded(self: &Arc<Self>, activation: &Arc<Activation>, envelope: Envelope, error: Error) {
        let mut cell = activation.cell.lock();
        let fired = match &envelope.origin {
            Origin::Alarm { name, token } if activation.kind.is_durable() && !cell.broken => {
                cell.alarms().iter().find(|alarm| alarm.name == *name && alarm.token == *token).cloned()
            }
            _ => None,
        };
        let Some(fired) = fired else {
            drop(cell);
            return envelope.turn_away(error);
        };
        let alarms = vec![AlarmWrite::Set(self.put_off(&fired, self.clock.now(), &error))];
        apply_alarms(&mut cell.extras().alarms, &alarms);
        let issued = Issued { alarm: alarms.iter().filter_map(due_of).min(), ..Issued::nothing() };
        let (key, shard) = (activation.key.clone(), activation.key.shard(self.shards));
        let kept = Commit::keep(key, shard, self.epoch(shard), self.next_commit_id(), cell.head);
        let commit = Commit { incarnation: cell.incarnation, alarms, ..kept };
        self.issue(activation, cell, commit, issued, envelope.job, Some(error));
    }

    /// Moves the cell past the turn and says what has to be made durable, if anything.
    pub(super) fn commit_of(
        &self,
        activation: &Activation,
        cell: &mut Cell,
        live: &mut Live,
        envelope: &mut Envelope,
        turned: &mut Turned,
    ) -> Option<(Commit, Issued)> {
        let expected = cell.head;
        let delete = turned.effects.delete || matches!(envelope.origin, Origin::Node(Purpose::Delete));
        let succeeded = turned.error.is_none();
        let absent = !cell.exists;
        let idly = matches!(&envelope.origin, Origin::Node(purpose) if *purpose != Purpose::Connect);
        let untouched = absent && idly && live.is_fresh(&activation.kind, &turned.effects);
        let changed = succeeded
            && if delete {
                // One that was never stored leaves messages that have to be, and a grave to number them by.
                !absent || !turned.effects.messages.is_empty()
            } else {
                !untouched
                    && (absent
                        || !turned.patch.is_empty()
                        || !turned.effects.events.is_empty()
                        || !turned.effects.messages.is_empty())
            };
        let alarms = if delete { Vec::new() } else { self.alarm_writes(cell, envelope, turned) };
        let outcome = self.outcome_of(envelope, turned, expected, changed);
        let received = received_of(envelope, turned.error.as_ref());
        if matches!(envelope.origin, Origin::Node(Purpose::Deactivate)) {
            cell.leaving = true;
        }
        let taken = taken_of(envelope, succeeded);
        if !changed && alarms.is_empty() && outcome.is_none() && received.is_none() && taken.is_empty() {
            return None;
        }
        let mut messages = outgoing(&activation.key, expected, turned, envelope);
        if delete && self.options.mutant(Mutant::LastWordsLost) {
            messages.clear();
        }
        let change = changed.then(|| self.record_change(activation, cell, live, envelope, turned, delete));
        let write = self.write_of(activation, cell, live, turned, changed, delete);
        if !alarms.is_empty() {
            apply_alarms(&mut cell.extras().alarms, &alarms);
        }
        // What a `behind` object owes goes before the commit that deletes it.
        let owed = u64::from(matches!(write, Write::Delete { .. }) && cell.has_behind());
        let number = cell.issued + 1 + owed;
        remember(cell, activation.kind.is_durable(), number, outcome.as_ref(), received.as_ref());
        let changes: Vec<ChangeRecord> = change.into_iter().collect();
        let shard = activation.key.shard(self.shards);
        let trim = self.trim_of(activation, cell, turned.now, changed);
        let issued = Issued {
            activation: None,
            number: 0,
            changes: changes.clone(),
            messages: messages.clone(),
            alarm: alarms.iter().filter_map(due_of).min(),
            signals: std::mem::take(&mut turned.effects.signals),
            doomed: None,
        };
        let commit = Commit {
            key: activation.key.clone(),
            shard,
            epoch: self.epoch(shard),
            id: self.next_commit_id(),
            group: None,
            expected,
            incarnation: cell.incarnation,
            write,
            changes,
            keep_changes: activation.kind.options.history != History::None,
            trim,
            alarms,
            outbox: messages,
            received: received.into_iter().collect(),
            outcomes: outcome.into_iter().collect(),
            taken,
        };
        Some((commit, issued))
    }

    /// The alarms the turn sets and removes; the one that fired is consumed, repeated or put off.
    fn alarm_writes(&self, cell: &Cell, envelope: &Envelope, turned: &mut Turned) -> Vec<AlarmWrite> {
        let mut writes = std::mem::take(&mut turned.effects.alarms);
        let Origin::Alarm { name, token } = &envelope.origin else {
            return writes;
        };
        let Some(fired) = cell.alarms().iter().find(|a| a.name == *name && a.token == *token) else {
            return writes;
        };
        let touched = writes.iter().any(|write| match write {
            AlarmWrite::Set(alarm) => alarm.name == *name,
            AlarmWrite::Remove(removed) => removed == name,
        });
        match &turned.error {
            None if touched => {}
            None => match fired.schedule.as_ref().and_then(|schedule| schedule.next_after(turned.now)) {
                Some(due) => {
                    let token = self.clock.random() >> 1;
                    writes.push(AlarmWrite::Set(abide_core::port::store::Alarm {
                        due,
                        token,
                        attempt: 0,
                        ..fired.clone()
                    }));
                }
                None => writes.push(AlarmWrite::Remove(name.clone())),
            },
            Some(error) => writes.push(AlarmWrite::Set(self.put_off(fired, turned.now, error))),
        }
        writes
    }

    /// What a keyed call leaves behind: its answer, or the handler's own error.
    fn outcome_of(&self, envelope: &Envelope, turned: &mut Turned, expected: Seq, changed: bool) -> Option<Outcome> {
        let call_key = envelope.call_key.as_ref()?;
        let reply = turned.reply.take()?;
        if self.options.mutant(Mutant::OutcomeNotStored) {
            return None;
        }
        Some(Outcome {
            caller: call_key.caller.clone(),
            call_key: call_key.key.clone(),
            fingerprint: call_key.fingerprint,
            seq: if changed { expected.next() } else { expected },
            reply,
            expires_at: turned.now.plus(self.options.outcomes_kept),
        })
    }

    /// Gives the change its seq and writes its wire form.
    fn record_change(
        &self,
        activation: &Activation,
        cell: &mut Cell,
        live: &Live,
        envelope: &Envelope,
        turned: &mut Turned,
        deleted: bool,
    ) -> ChangeRecord {
        let is_first = !cell.exists;
        if is_first {
            cell.incarnation = cell.incarnation.next();
            cell.created_at = turned.now;
        }
        cell.head = cell.head.next();
        cell.updated_at = turned.now;
        let text = ChangeText {
            seq: cell.head,
            at: turned.now,
            patch: &turned.patch,
            events: &turned.effects.events,
            handler: envelope.cause(),
            key: envelope.call_key.as_ref().map(|k| &*k.key),
            principal: envelope.principal.as_deref().map(|p| p.subject.as_str()),
            deleted,
        };
        let json = text.write();
        let history = activation.kind.options.history;
        // What a deleted object was is gone: the first change of its next life leads from nothing.
        let due = !deleted && (snapshot_due(history, cell.head) || is_first && kept(history));
        if due {
            cell.mark_snapshot(turned.now, history);
        }
        ChangeRecord { seq: cell.head, at: turned.now, json, snapshot: due.then(|| live.encoded.json()) }
    }

    fn write_of(
        &self,
        activation: &Activation,
        cell: &mut Cell,
        live: &mut Live,
        turned: &mut Turned,
        changed: bool,
        delete: bool,
    ) -> Write {
        if !changed {
            return Write::Keep;
        }
        if delete {
            if let Some(fresh) = turned.fresh.take() {
                *live = fresh;
            }
            cell.exists = false;
            cell.state = None;
            cell.stale = false;
            cell.floor = cell.head;
            if let Some(extras) = &mut cell.extras {
                extras.alarms.clear();
                // A transaction that deletes the object may yet be undone.
                if extras.before.is_none() {
                    extras.timers = crate::timer::Timers::default();
                }
            }
            return Write::Delete { at: turned.now };
        }
        cell.exists = true;
        cell.stale = false;
        let state = live.encoded.json();
        cell.state = Some(state.clone());
        cell.version = activation.kind.options.version;
        Write::Put { state, version: cell.version, created_at: cell.created_at, updated_at: cell.updated_at }
    }

    fn trim_of(&self, activation: &Activation, cell: &mut Cell, now: Timestamp, changed: bool) -> Option<Seq> {
        if !changed || !cell.exists {
            return None;
        }
        let history = activation.kind.options.history;
        let marks = cell.extras.as_ref().map(|extras| &extras.marks);
        let trim = trim_below(history, cell.head, marks, now).filter(|trim| *trim > cell.floor);
        if let Some(trim) = trim {
            cell.floor = trim;
            if let Some(extras) = &mut cell.extras {
                extras.marks.retain(|(seq, _)| *seq > trim);
            }
        } else if !kept(history) {
            cell.floor = cell.head;
        }
        trim
    }

    /// Sends a commit on its way; its answer waits for it.
    fn issue(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        mut cell: parking_lot::MutexGuard<'_, Cell>,
        commit: Commit,
        mut issued: Issued,
        job: Box<dyn Job>,
        error: Option<Error>,
    ) {
        issued.activation = Some(activation.clone());
        let seq = cell.head;
        let deletes = matches!(commit.write, Write::Delete { .. });
        if deletes {
            cell.issue_behind(|behind| self.pipeline.submit(self, behind.commit, behind.issued));
        } else if let Durability::Behind(interval) = activation.kind.options.durability {
            let signals = std::mem::take(&mut issued.signals);
            let much = Behind::merge(&mut cell.extras().behind, commit, issued).is_much();
            let later = !std::mem::replace(&mut cell.writes_later, true);
            // What was owed before is still on its way: whoever wants more waits, as elsewhere, for the store.
            let waits = much && !cell.is_settled();
            let job = if waits {
                let number = cell.issued + 1;
                cell.hold(number, seq, job, error.clone());
                None
            } else {
                Some(job)
            };
            if much && !waits {
                cell.issue_behind(|behind| self.pipeline.submit(self, behind.commit, behind.issued));
            }
            drop(cell);
            self.signal(&activation.key, signals);
            if later {
                self.flush_later(activation, interval);
            }
            if let Some(job) = job {
                job.release(error.map_or(Ok(seq), Err));
            }
            return;
        }
        cell.issued += 1;
        let number = cell.issued;
        issued.number = number;
        if self.options.mutant(Mutant::NoGate) {
            drop(cell);
            self.pipeline.submit(self, commit, issued);
            return job.release(error.map_or(Ok(seq), Err));
        }
        cell.hold(number, seq, job, error);
        drop(cell);
        self.pipeline.submit(self, commit, issued);
    }
}

/// Encodes what the turn left, or rolls it back.
pub(super) fn weigh(
    activation: &Activation,
    live: &mut Live,
    ctx: Context,
    ran: Result<(), Error>,
    origin: &Origin,
) -> Turned {
    let now = ctx.now();
    let (effects, broken_off) = (ctx.effects, ctx.broken_off);
    let deletes = effects.delete || matches!(origin, Origin::Node(Purpose::Delete));
    let encoded = ran.and_then(|()| {
        effects.refusal(activation.kind.is_durable()).map_or(Ok(()), Err)?;
        let fresh = deletes.then(|| Live::fresh(&activation.kind)).transpose()?;
        Ok((live.encode(&activation.kind)?, fresh))
    });
    match encoded {
        Ok((patch, fresh)) => Turned { now, patch, effects, error: None, reply: None, fresh },
        Err(error) => {
            if let Err(damage) = live.roll_back(activation, activation.is_absent(), broken_off) {
                tracing::error!(key = %activation.key, error = %damage, "a rolled back object cannot be decoded");
                live.spoilt = true;
            }
            let (patch, effects) = (Patch::default(), Effects::default());
            Turned { now, patch, effects, error: Some(error), reply: None, fresh: None }
        }
    }
}

fn outgoing(sender: &Key, expected: Seq, turned: &mut Turned, envelope: &Envelope) -> Vec<OutboxMessage> {
    if turned.effects.messages.is_empty() {
        return Vec::new();
    }
    let principal = envelope.principal.as_deref().map(Principal::kept);
    let base = expected.next().number() << MessageId::TURN_BITS;
    let messages = std::mem::take(&mut turned.effects.messages);
    let number = |(index, message): (u64, crate::effects::Outgoing)| OutboxMessage {
        id: MessageId { sender: sender.clone(), n: base + index },
        target: message.target,
        handler: message.handler,
        args: message.args,
        principal: principal.clone(),
        at: turned.now,
    };
    (0u64..).zip(messages).map(number).collect()
}

fn due_of(write: &AlarmWrite) -> Option<Timestamp> {
    match write {
        AlarmWrite::Set(alarm) if alarm.dead.is_none() => Some(alarm.due),
        AlarmWrite::Set(_) | AlarmWrite::Remove(_) => None,
    }
}

/// A message that was applied, or that the handler itself refused: it is not to be applied again.
fn received_of(envelope: &Envelope, error: Option<&Error>) -> Option<(Key, u64)> {
    let Origin::Message(id) = &envelope.origin else {
        return None;
    };
    let settled = error.is_none_or(|e| is_refusal(e.code()));
    settled.then(|| (id.sender.clone(), id.n))
}

/// What foreign programs wrote, and the turn took in.
fn taken_of(envelope: &mut Envelope, succeeded: bool) -> Strings {
    match &mut envelope.origin {
        Origin::Foreign(notice) if succeeded => notice.said.take().unwrap_or_default(),
        _ => Strings::new(),
    }
}

/// A keyed call's answer, or the handler's own error; any other failure may be tried again.
fn keyed_reply(job: &dyn Job, error: Option<&Error>) -> Option<Result<Json, Error>> {
    match error {
        None => job.reply().map(Ok),
        Some(error) if error.code() == Code::Rejected => Some(Err(error.clone())),
        Some(_) => None,
    }
}

pub(super) fn remember(
    cell: &mut Cell,
    durable: bool,
    number: u64,
    outcome: Option<&Outcome>,
    received: Option<&(Key, u64)>,
) {
    if outcome.is_none() && received.is_none() {
        return;
    }
    let number = if durable { number } else { u64::MAX };
    let extras = cell.extras();
    if !durable && extras.outcomes.len() + extras.received.len() >= VOLATILE_MEMORY_MAX {
        extras.outcomes.clear();
        extras.received.clear();
    }
    if let Some(outcome) = outcome {
        extras.outcomes.insert((outcome.caller.clone(), outcome.call_key.clone()), (number, outcome.clone()));
    }
    if let Some((sender, n)) = received {
        extras.received.insert(sender.clone(), (*n, number));
    }
}

impl Live {
    /// Of an object that is not there.
    pub(super) fn fresh(kind: &KindEntry) -> Result<Self, Error> {
        Ok(Self { object: kind.create()?, unknown: Unknown::default(), encoded: Encoded::nothing(), spoilt: false })
    }

    /// Whether a turn of the node's own has left an object that is not there as it was.
    fn is_fresh(&self, kind: &KindEntry, effects: &Effects) -> bool {
        let fresh = Self::fresh(kind).and_then(|mut fresh| fresh.encode(kind).map(|_| fresh));
        effects.is_empty() && fresh.is_ok_and(|fresh| fresh.encoded.as_str() == self.encoded.as_str())
    }

    /// Encodes the object after a turn; the patch leads there from the encoding before it.
    pub(super) fn encode(&mut self, kind: &KindEntry) -> Result<Patch, Error> {
        guarded(|| format!("writing the state of a {}", kind.name), || self.encode_unguarded(kind))
    }

    fn encode_unguarded(&mut self, kind: &KindEntry) -> Result<Patch, Error> {
        let mut operations = Operations::default();
        if let Some(object) = Arc::get_mut(&mut self.object) {
            object.take_operations(&mut operations);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            self.object.encode(&self.unknown, scratch).map_err(|e| {
                Error::internal(format!("the new state cannot be written as JSON: {e}; the turn was rolled back"))
            })?;
            if scratch.is_doubtful() {
                kind.decode(&scratch.json(), kind.options.version).map_err(|e| not_finite(kind, &e))?;
            }
            let patch = scratch.patch_from(&self.encoded, &operations);
            self.encoded.copy_from(scratch);
            Ok(patch)
        })
    }
}

/// Why a state is not stored that nobody could read again.
fn not_finite(kind: &KindEntry, error: &Error) -> Error {
    tracing::error!(kind = %kind.name, %error, "a state with a number that is not finite does not read back");
    Error::internal(format!(
        "a number in the new state of a {} is not finite (NaN or infinite), which JSON does not have: it could not be \
         read back; the turn was rolled back; check the division, or make the field an Option",
        kind.name
    ))
}

impl Cell {
    /// Remembers when a snapshot was recorded, for history by time.
    fn mark_snapshot(&mut self, now: Timestamp, history: History) {
        const MARKS_MAX: usize = 4096;
        if matches!(history, History::For(_)) {
            let head = self.head;
            let marks = &mut self.extras().marks;
            if marks.len() < MARKS_MAX {
                marks.push_back((head, now));
            }
        }
    }
}

impl Envelope {
    /// What a change's `cause` says ran.
    fn cause(&self) -> &str {
        match &self.origin {
            Origin::Alarm { name, .. } => name,
            Origin::Call | Origin::Message(_) | Origin::Transaction(_) | Origin::Foreign(_) | Origin::Node(_) => {
                self.info.name
            }
        }
    }
}
