//! Timers that handlers set: a task each, gone with the object.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    activation::Activation,
    effects::{Effects, TimerPlan},
    job::{Envelope, Purpose},
    node::NodeCore,
    options::Mutant,
    principal::Principal,
};

impl NodeCore {
    /// Carries out the timer changes of a turn that succeeded.
    pub(crate) fn set_timers(self: &Arc<Self>, activation: &Arc<Activation>, effects: &mut Effects) {
        for change in std::mem::take(&mut effects.timers) {
            match change.set {
                None => activation.with_timers(|timers| timers.cancel(change.name)),
                Some(plan) => self.start_timer(activation, change.name, plan),
            }
        }
    }

    fn start_timer(self: &Arc<Self>, activation: &Arc<Activation>, name: &'static str, plan: TimerPlan) {
        let node = Arc::downgrade(self);
        let target = Arc::downgrade(activation);
        let task = self.tasks.spawn(async move {
            let mut wait = plan.after;
            loop {
                sleep(wait.max(Duration::from_millis(1))).await;
                let (Some(node), Some(target)) = (node.upgrade(), target.upgrade()) else {
                    return;
                };
                if !node.is_running() {
                    return;
                }
                node.fire_timer(&target, name, plan.principal.clone());
                match plan.every {
                    Some(every) => wait = every,
                    None => return,
                }
            }
        });
        let handle = task.abort_handle();
        activation.with_timers(|timers| {
            if timers.is_full() {
                tracing::error!(object = %activation.key, name, "an object may have 64 timers; this one is not set");
                handle.abort();
            } else {
                timers.set(name, handle);
            }
        });
    }

    fn fire_timer(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        name: &'static str,
        principal: Option<Arc<Principal>>,
    ) {
        let Some(info) = activation.kind.alarms.get(name) else {
            return tracing::error!(object = %activation.key, name, "a timer has no #[alarm] handler of its name");
        };
        // On behalf of whoever set it.
        let principal = principal.filter(|_| !self.options.mutant(Mutant::TimerSetterForgotten));
        match self.node_envelope(info, Purpose::Timer) {
            Ok(envelope) => {
                self.submit(&activation.key, &activation.kind, Envelope { principal, ..envelope }, false);
            }
            Err(error) => {
                tracing::error!(object = %activation.key, name, %error, "a timer's handler takes arguments");
            }
        }
    }
}
