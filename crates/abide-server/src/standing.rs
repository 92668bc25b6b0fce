//! For how long it is known who is calling: one answer for every connection and every stream.

use std::{sync::Arc, time::Duration};

use abide_core::{Clock, Error};
use abide_node::SystemClock;
use tokio::{sync::watch, time::sleep};

use crate::{Caller, Means, auth::Refusal, shared::Shared};

/// How often the clock is looked at: it may be set, and a machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A caller who has been let in, and what may end that: its token's time, or that somebody takes back what
/// it has shown.
pub(crate) struct Standing {
    shared: Arc<Shared>,
    caller: Caller,
    reloads: watch::Receiver<u64>,
}

impl Standing {
    pub(crate) fn new(shared: &Arc<Shared>, caller: &Caller) -> Self {
        Self { shared: shared.clone(), caller: caller.clone(), reloads: shared.gate.reloaded() }
    }

    /// Waits until it is not known any more who is there, and says why. For ever, if nobody asks.
    pub(crate) async fn over(mut self) -> Error {
        if !self.shared.gate.asks() {
            return std::future::pending().await;
        }
        loop {
            // What changes from here on wakes.
            self.reloads.mark_unchanged();
            if let Some(refusal) = self.refusal() {
                let error = Error::from(refusal);
                self.shared.gate.tell(&error, &self.caller.label());
                return error;
            }
            let left = self.caller.expires_at().map_or(LOOK_EVERY, |end| end.since(SystemClock.now()).min(LOOK_EVERY));
            tokio::select! {
                () = sleep(left) => {}
                changed = self.reloads.changed() => if changed.is_err() {
                    sleep(left).await;
                },
            }
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        if self.caller.expires_at().is_some_and(|end| end <= SystemClock.now()) {
            return Some(Refusal::Expired);
        }
        if self.shared.gate.holds(&self.caller) {
            return None;
        }
        Some(match self.caller.means() {
            Means::Key(_) => Refusal::Unknown,
            _ => Refusal::Revoked,
        })
    }
}
