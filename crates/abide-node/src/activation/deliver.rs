//! How a call comes to its object.

use std::sync::Arc;

use abide_core::{Error, Key, error::Code};

use super::{Activation, Cell, Live, Phase};
use crate::{
    context::Owner,
    job::{Chain, Envelope, Origin, Target},
    kind::KindEntry,
    node::NodeCore,
    object::{Access, Hook, Running},
};

/// What became of a call that was offered to an activation.
enum Offer {
    /// It waits in the mailbox; somebody runs the object.
    Queued,
    /// It waits in the mailbox; nobody runs the object yet.
    Start,
    /// The caller may run it right here.
    Inline(Box<Live>, Envelope),
    /// This activation has left: look the object up again.
    Gone(Envelope),
    /// It cannot wait here.
    Refused(Envelope, Error),
}

impl NodeCore {
    /// Brings a call to its object. The answer goes through the envelope's job, always exactly once.
    pub(crate) fn submit(self: &Arc<Self>, key: &Key, kind: &Arc<KindEntry>, envelope: Envelope, inline: bool) {
        if !self.accepts(&envelope.origin) {
            let refusal =
                Error::unavailable("this node is shutting down; nothing was changed; call another node or try again");
            return envelope.job.release(Err(refusal));
        }
        self.traffic.note(key, &envelope);
        if kind.options.stateless {
            return self.submit_stateless(key, kind, envelope);
        }
        if Chain::contains(envelope.chain.as_ref(), key) {
            return self.submit_reentrant(key, envelope);
        }
        let mut envelope = envelope;
        loop {
            let activation = self.directory.find_or_insert(self, key, kind);
            match activation.offer(envelope, inline, self.options.mailbox) {
                Offer::Queued => return,
                Offer::Start => return self.spawn_drain(&activation),
                Offer::Inline(live, envelope) => {
                    return self.run_inline(&activation, live, envelope);
                }
                Offer::Gone(back) => {
                    self.directory.remove(&activation);
                    envelope = back;
                }
                Offer::Refused(envelope, error) => return envelope.job.release(Err(error)),
            }
        }
    }

    /// Runs one turn on the caller's task, then, if others came meanwhile, leaves them to a task of their own.
    fn run_inline(self: &Arc<Self>, activation: &Arc<Activation>, mut live: Box<Live>, envelope: Envelope) {
        self.turn_now(activation, &mut live, envelope);
        self.after_inline(activation, live);
    }

    /// Runs some of the turns that came while a caller ran its own, then leaves the object.
    pub(super) fn after_inline(self: &Arc<Self>, activation: &Arc<Activation>, mut live: Box<Live>) {
        for _ in 0..INLINE_TURNS_MAX {
            if live.spoilt {
                break;
            }
            match activation.next_sync(live) {
                Next::Idle => return,
                Next::Leaving => return self.clean_up(activation),
                Next::Turn(next, envelope) => {
                    live = next;
                    self.turn_now(activation, &mut live, envelope);
                }
                Next::NotHere => return self.spawn_drain(activation),
            }
        }
        activation.put_back(live);
        self.spawn_drain(activation);
    }

    fn spawn_drain(self: &Arc<Self>, activation: &Arc<Activation>) {
        let (node, activation) = (self.clone(), activation.clone());
        self.tasks.spawn(async move { node.drain(activation).await });
    }

    /// A fresh value for every call: no identity, no order, no effects that outlive it.
    fn submit_stateless(self: &Arc<Self>, key: &Key, kind: &Arc<KindEntry>, mut envelope: Envelope) {
        let (node, key, kind) = (self.clone(), key.clone(), kind.clone());
        self.tasks.spawn(async move {
            let mut object = match kind.create() {
                Ok(object) => object,
                Err(error) => return envelope.job.release(Err(error)),
            };
            let mut ctx = node.context(Owner::Stateless(node.clone(), key.clone()), &envelope, 0);
            let target = match Arc::get_mut(&mut object) {
                Some(object) => Target::Exclusive(object),
                None => unreachable!("BUG: a fresh value is shared"),
            };
            let ran = match envelope.job.run(target, &mut ctx) {
                Running::Done(result) => result,
                Running::Waiting(future) => match tokio::time::timeout_at(envelope.deadline, future).await {
                    Ok(result) => result,
                    Err(_) => Err(out_of_time(&key, envelope.info.name)),
                },
            };
            let ran = ran.and_then(|()| ctx.effects.refusal_of_all().map_or(Ok(()), Err));
            envelope.job.release(ran.map(|()| abide_core::Seq::ZERO));
        });
    }

    /// A call that came back to an object whose turn waits for it: a reentrant reader sees the state
    /// as it was before that turn; anything else would wait for itself for ever.
    fn submit_reentrant(self: &Arc<Self>, key: &Key, mut envelope: Envelope) {
        let reads = envelope.info.reentrant && envelope.info.access == Access::Shared;
        let found = self.directory.find(key).filter(|_| reads);
        let Some(activation) = found else {
            return envelope.job.release(Err(deadlock(key, envelope.chain.as_deref())));
        };
        let (state, version, seq, number) = activation.before_turn();
        let node = self.clone();
        self.tasks.spawn(async move {
            let decoded = state.map_or_else(
                || activation.kind.create(),
                |state| activation.kind.decode(&state, version).map(|(object, _)| object),
            );
            let object = match decoded {
                Ok(object) => object,
                Err(error) => return envelope.job.release(Err(error)),
            };
            let mut ctx = node.context(Owner::Activation(activation.clone()), &envelope, 0);
            let ran = match envelope.job.run(Target::Shared(&*object), &mut ctx) {
                Running::Done(result) => result,
                Running::Waiting(future) => match tokio::time::timeout_at(envelope.deadline, future).await {
                    Ok(result) => result,
                    Err(_) => Err(out_of_time(&activation.key, envelope.info.name)),
                },
            };
            activation.hold(number, seq, envelope.job, ran.err());
        });
    }
}

/// How many turns of others a caller runs before a task takes over.
const INLINE_TURNS_MAX: usize = 64;

/// What comes next on an activation that a caller runs.
pub(super) enum Next {
    Idle,
    Leaving,
    Turn(Box<Live>, Envelope),
    NotHere,
}

/// Why a call fails that came back to an object whose turn waits for it.
fn deadlock(key: &Key, chain: Option<&Chain>) -> Error {
    let detail = if Chain::holds(chain, key) {
        format!(
            "{key} is held by the very transaction that this call is a part of, and would never answer it; nothing was \
             changed by the call; make it through the transaction's own handle (`.within(&tx)` or `tx.object`)"
        )
    } else if chain.is_some_and(|caller| caller.key == *key) {
        format!(
            "{key} calls itself, and would wait for ever; nothing was changed by the call; use its methods on \
             `self`, send a message instead, or make the reading handler reentrant"
        )
    } else {
        format!(
            "{key} waits, through other objects, for this very call; nothing was changed by it; \
             send a message instead, or make the reading handler reentrant"
        )
    };
    Error::new(Code::Deadlock, detail)
}

pub(super) fn out_of_time(key: &Key, handler: &str) -> Error {
    let detail =
        format!("{handler} of {key} did not finish in time; its turn was rolled back; give it more time or less to do");
    Error::new(Code::Deadline, detail)
}

impl Activation {
    fn offer(&self, envelope: Envelope, inline: bool, mailbox_max: usize) -> Offer {
        let mut cell = self.cell.lock();
        if cell.phase == Phase::Gone {
            return Offer::Gone(envelope);
        }
        let waiting = cell.mailbox_len();
        let max = self.kind.options.mailbox.unwrap_or(mailbox_max);
        if waiting >= max && matches!(envelope.origin, Origin::Call | Origin::Transaction(_)) {
            let detail =
                format!("{waiting} calls wait for {} already; nothing was changed; try again a little later", self.key);
            let error = Error::new(Code::Overloaded, detail).retry_after(std::time::Duration::from_secs(1));
            return Offer::Refused(envelope, error);
        }
        let inline = inline && envelope.info.sync && !envelope.needs_lookup();
        if cell.broken || cell.leaving {
            cell.waiting().mailbox.push_back(envelope);
            return Offer::Queued;
        }
        match cell.phase {
            Phase::Idle if inline && waiting == 0 && !self.has_hooks(&cell) => {
                if let Some(live) = cell.live.take() {
                    cell.phase = Phase::Running;
                    cell.brief = true;
                    return Offer::Inline(live, envelope);
                }
                cell.phase = Phase::Running;
                cell.waiting().mailbox.push_back(envelope);
                Offer::Start
            }
            Phase::Idle => {
                cell.phase = Phase::Running;
                cell.waiting().mailbox.push_back(envelope);
                Offer::Start
            }
            Phase::Cold => {
                cell.phase = Phase::Loading;
                cell.waiting().mailbox.push_back(envelope);
                Offer::Start
            }
            Phase::Loading | Phase::Running | Phase::Gone => {
                cell.waiting().mailbox.push_back(envelope);
                Offer::Queued
            }
        }
    }

    /// Whether the next exclusive turn runs `on_create` first, or may have to run `on_delete`.
    pub(super) fn has_hooks(&self, cell: &Cell) -> bool {
        self.kind.hook(Hook::Delete).is_some() || !cell.exists && self.kind.hook(Hook::Create).is_some()
    }

    /// The state before the turn that runs now, and the commit it belongs to.
    fn before_turn(&self) -> (Option<abide_core::Json>, u32, abide_core::Seq, u64) {
        let cell = self.cell.lock();
        if let Some(before) = cell.before() {
            let (state, version, head) = before.state();
            return (state, version, head, cell.issued);
        }
        (cell.state.clone(), cell.version, cell.head, cell.issued)
    }
}
