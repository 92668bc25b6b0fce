//! Idle objects hibernate, then leave; under memory pressure the least recently used leave first.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    activation::Activation,
    job::{Bare, Envelope, Purpose},
    node::NodeCore,
    object::Hook,
};

/// Parts the node and its activations when the sweep ends, however it ends.
struct Parting(Arc<NodeCore>);

impl Drop for Parting {
    fn drop(&mut self) {
        self.0.directory.clear();
    }
}

/// Ticks are tenths of a second since the node started.
const TICK: Duration = Duration::from_millis(100);
/// Above this many objects a sweep looks at an eighth of them.
const SWEEP_WHOLE_MAX: usize = 50_000;
/// How many ages are sampled to find out who is least recently used.
const SAMPLE: usize = 2048;

impl NodeCore {
    /// The node's coarse clock, for ages.
    pub(crate) fn tick(&self) -> u32 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Keeps the coarse clock, and looks for idle objects, until the node closes.
    pub(crate) async fn sweep_forever(self: Arc<Self>) {
        let _parting = Parting(self.clone());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let every = u32::try_from(self.options.sweep_every.as_millis() / TICK.as_millis()).unwrap_or(10).max(1);
        let mut slice = 0;
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                at = ticks.tick() => {
                    let tick = u32::try_from(at.duration_since(self.started).as_millis() / TICK.as_millis()).unwrap_or(u32::MAX);
                    self.ticks.store(tick, Ordering::Relaxed);
                    if tick % every == 0 {
                        slice = self.sweep_some(slice).await;
                    }
                }
            }
        }
    }

    async fn sweep_some(self: &Arc<Self>, from: usize) -> usize {
        let slices = self.directory.slices();
        let count = self.directory.len();
        let step = if count > SWEEP_WHOLE_MAX { slices / 8 } else { slices };
        let mut bytes = 0;
        let mut seen = 0;
        for slice in (from..from + step).map(|s| s % slices) {
            for activation in self.directory.entries(slice) {
                bytes += activation.bytes();
                seen += 1;
                self.sweep(&activation);
            }
            if slice % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.report_active();
        let average = bytes.checked_div(seen).unwrap_or(0).max(1);
        let allowed = self.options.objects_max.min(self.options.memory_max / average);
        if count > allowed {
            self.shed(count - allowed);
        }
        (from + step) % slices
    }

    fn sweep(self: &Arc<Self>, activation: &Arc<Activation>) {
        let options = &activation.kind.options;
        let now = self.tick();
        let before =
            |idle: Duration| now.checked_sub(u32::try_from(idle.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX));
        if let Some(tick) = options.hibernate_after.and_then(before) {
            activation.hibernate(tick);
        }
        let Some(tick) = options.shutdown_after.and_then(before) else {
            return;
        };
        if activation.idle_since().is_some_and(|since| since <= tick) {
            self.shut_down(activation);
        }
    }

    /// Takes an idle object out of memory, after `on_deactivate` if it has one.
    pub(crate) fn shut_down(self: &Arc<Self>, activation: &Arc<Activation>) {
        match self.deactivation(activation) {
            Some(envelope) => self.submit(&activation.key, &activation.kind, envelope, false),
            None => {
                if activation.retire() {
                    self.directory.remove(activation);
                }
            }
        }
    }

    fn deactivation(&self, activation: &Activation) -> Option<Envelope> {
        if activation.is_gone_or_absent() {
            return None;
        }
        let info = activation.kind.hook(Hook::Deactivate)?;
        Some(self.node_envelope(info, Purpose::Deactivate).unwrap_or_else(|error| {
            let name = activation.key.to_string();
            tracing::error!(object = %name, %error, "on_deactivate cannot run");
            self.bare_envelope("on_deactivate", Purpose::Deactivate, Bare::new(None))
        }))
    }

    /// Sends the `count` least recently used objects out of memory, about.
    fn shed(self: &Arc<Self>, count: usize) {
        let slices = self.directory.slices();
        let mut ages = Vec::with_capacity(SAMPLE);
        for slice in (0..slices).step_by((slices / 16).max(1)) {
            ages.extend(self.directory.entries(slice).iter().filter_map(|a| a.idle_since()).take(SAMPLE / 16));
        }
        if ages.is_empty() {
            return;
        }
        ages.sort_unstable();
        let share = (count * ages.len()).div_ceil(self.directory.len().max(1)).clamp(1, ages.len());
        let threshold = ages[share - 1];
        tracing::info!(count, "memory is short: the least recently used objects leave it");
        let mut left = count;
        for slice in 0..slices {
            for activation in self.directory.entries(slice) {
                if left == 0 {
                    return;
                }
                if activation.idle_since().is_some_and(|since| since <= threshold) {
                    self.shut_down(&activation);
                    left -= 1;
                }
            }
        }
    }

    fn report_active(&self) {
        let mut counts: rustc_hash::FxHashMap<&str, usize> =
            self.kinds.all().iter().map(|kind| (kind.name.as_str(), 0)).collect();
        let mut waiting = 0;
        if self.directory.len() > SWEEP_WHOLE_MAX || !self.options.metered {
            return;
        }
        for slice in 0..self.directory.slices() {
            for activation in self.directory.entries(slice) {
                waiting += activation.waiting();
                if let Some(count) = counts.get_mut(activation.key.kind().as_str()) {
                    *count += 1;
                }
            }
        }
        counts.iter().for_each(|(kind, count)| crate::metrics::objects_active(kind, *count));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        self.metrics.mailbox_depth.set(waiting as f64);
    }
}
