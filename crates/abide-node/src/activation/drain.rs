//! Running an object's turns until nothing waits for it.

use std::sync::Arc;

use abide_core::{
    Error,
    port::store::{Loaded, Notice},
};
use tokio::time::Instant;

use super::{Activation, Live, Phase, deliver::Next};
use crate::{
    job::{Bare, Envelope, HandlerMeta, Origin, Purpose},
    node::NodeCore,
    object::{Access, Hook},
};

impl NodeCore {
    /// The task that runs an activation: loads it if need be, then one turn after the other.
    pub(crate) async fn drain(self: Arc<Self>, activation: Arc<Activation>) {
        if activation.is_loading()
            && let Err(error) = self.load(&activation).await
        {
            return self.fail_load(&activation, &error);
        }
        let mut live = None;
        while let Some((next, envelope)) = activation.next(live) {
            live = self.turn(&activation, next, envelope).await;
        }
        self.clean_up(&activation);
    }

    async fn load(self: &Arc<Self>, activation: &Activation) -> Result<(), Error> {
        let started = Instant::now();
        let loaded = match activation.kind.is_durable() {
            true => self.store.load(&activation.key).await?,
            false => None,
        };
        self.metrics.load_seconds.record(started.elapsed());
        let wake = loaded.as_ref().is_some_and(|l| l.state.is_some())
            || (activation.kind.options.autoload.contains(&activation.key.id()));
        let hook = activation.kind.hook(Hook::Activate).filter(|_| wake);
        let envelope = hook.map(|info| self.node_envelope(info, Purpose::Activate)).transpose()?;
        let mut first: Vec<Envelope> = envelope.into_iter().collect();
        if self.is_shared(&activation.kind, &activation.key) && !activation.is_about_to_take_in() {
            first.insert(0, self.foreign_envelope(Notice::compare(activation.key.clone()), None));
        }
        activation.adopt(loaded, first);
        Ok(())
    }

    fn fail_load(&self, activation: &Arc<Activation>, error: &Error) {
        self.directory.remove(activation);
        for envelope in activation.abandon() {
            envelope.turn_away(error.clone());
        }
    }

    /// Lets an activation leave whose memory is no longer the truth, and sends what waits for it to a
    /// fresh one; a no-op for any other. What a `behind` object owes the store is issued first: it leaves
    /// when that is settled.
    pub(crate) fn clean_up(self: &Arc<Self>, activation: &Arc<Activation>) {
        let forgets = self.options.mutant(crate::options::Mutant::OwedForgotten);
        if activation.owes_and_leaves() && !forgets {
            return self.flush(activation);
        }
        let Some(waiting) = activation.leave(forgets) else {
            return;
        };
        self.directory.remove(activation);
        for envelope in waiting {
            self.submit(&activation.key, &activation.kind, envelope, false);
        }
    }

    /// An envelope for a hook or timer, which nobody waits for.
    pub(crate) fn node_envelope(&self, info: &crate::job::HandlerInfo, purpose: Purpose) -> Result<Envelope, Error> {
        let name = info.name;
        let sink = crate::job::Sink::Callback(Box::new(move |result| {
            if let Err(error) = result {
                tracing::warn!(handler = name, %error, "a turn of the node's own failed");
            }
        }));
        Ok(Envelope {
            job: (info.make)("null", sink)?,
            info: info.into(),
            origin: Origin::Node(purpose),
            deadline: Instant::now() + self.options.call_timeout,
            principal: None,
            chain: None,
            call_key: None,
            existing: false,
            received_at: None,
        })
    }

    /// An envelope for a turn without a handler.
    pub(crate) fn bare_envelope(&self, name: &'static str, purpose: Purpose, bare: Bare) -> Envelope {
        Envelope {
            job: Box::new(bare),
            info: HandlerMeta { name, access: Access::Exclusive, sync: true, reentrant: false, metrics: None },
            origin: Origin::Node(purpose),
            deadline: Instant::now() + self.options.call_timeout,
            principal: None,
            chain: None,
            call_key: None,
            existing: false,
            received_at: None,
        }
    }
}

impl Activation {
    fn is_loading(&self) -> bool {
        self.cell.lock().phase == Phase::Loading
    }

    fn adopt(&self, loaded: Option<Loaded>, first: Vec<Envelope>) {
        let mut cell = self.cell.lock();
        if let Some(loaded) = loaded {
            cell.adopt(loaded);
        }
        for envelope in first.into_iter().rev() {
            cell.waiting().mailbox.push_front(envelope);
        }
        cell.phase = Phase::Running;
    }

    /// Leaves at once; what waited is handed back.
    fn abandon(&self) -> Vec<Envelope> {
        let mut cell = self.cell.lock();
        cell.phase = Phase::Gone;
        cell.waiting.take().map_or_else(Vec::new, |waiting| waiting.mailbox.into())
    }

    /// The next turn, or `None`: then the object is idle and belongs to nobody.
    fn next(&self, live: Option<Box<Live>>) -> Option<(Option<Box<Live>>, Envelope)> {
        let mut cell = self.cell.lock();
        if cell.broken || cell.leaving {
            cell.phase = Phase::Idle;
            return None;
        }
        let live = live.or_else(|| cell.live.take());
        match cell.waiting.as_mut().and_then(|waiting| waiting.mailbox.pop_front()) {
            Some(envelope) => {
                cell.brief = envelope.info.sync;
                Some((live, envelope))
            }
            None => {
                cell.live = live;
                cell.phase = Phase::Idle;
                cell.trim();
                None
            }
        }
    }

    /// As `next`, for a caller that can only run handlers which never wait.
    pub(super) fn next_sync(&self, live: Box<Live>) -> Next {
        let mut cell = self.cell.lock();
        if cell.broken || cell.leaving {
            cell.phase = Phase::Idle;
            return Next::Leaving;
        }
        let runnable = |envelope: &Envelope| envelope.info.sync && !envelope.needs_lookup();
        let hooked = !cell.exists || self.has_hooks(&cell);
        match cell.waiting.as_mut().and_then(|waiting| waiting.mailbox.front()) {
            None => {
                cell.live = Some(live);
                cell.phase = Phase::Idle;
                if cell.is_settled() {
                    cell.trim();
                }
                Next::Idle
            }
            Some(envelope) if runnable(envelope) && !hooked => {
                match cell.waiting.as_mut().and_then(|waiting| waiting.mailbox.pop_front()) {
                    Some(envelope) => Next::Turn(live, envelope),
                    None => unreachable!("BUG: the front of a mailbox vanished under its lock"),
                }
            }
            Some(_) => {
                cell.brief = false;
                cell.live = Some(live);
                Next::NotHere
            }
        }
    }

    /// Hands the decoded object back while the object stays running.
    pub(super) fn put_back(&self, live: Box<Live>) {
        if live.spoilt {
            // Whoever comes next is told that it cannot be decoded.
            return self.refresh(&live);
        }
        self.cell.lock().live = Some(live);
    }

    /// Whether it is about to leave with turns that are answered but not yet written.
    fn owes_and_leaves(&self) -> bool {
        let cell = self.cell.lock();
        cell.leaving && !cell.broken && cell.has_behind()
    }

    /// If the memory is no longer the truth, or `on_deactivate` has run, and nothing is on its way:
    /// leaves, and hands back what waits.
    fn leave(&self, forgets: bool) -> Option<Vec<Envelope>> {
        let mut cell = self.cell.lock();
        let owes = cell.has_behind() && !cell.broken && !forgets;
        let out = (cell.broken || cell.leaving) && cell.phase == Phase::Idle && cell.is_settled() && !owes;
        if !out {
            return None;
        }
        cell.phase = Phase::Gone;
        cell.live = None;
        cell.extras = None;
        Some(cell.waiting.take().map_or_else(Vec::new, |waiting| waiting.mailbox.into()))
    }
}
