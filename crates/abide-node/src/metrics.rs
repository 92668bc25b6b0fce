//! What the node counts. Names are those of the documentation's telemetry page.

use std::time::Duration;

use abide_core::{Error, error::Code};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The counters of one handler, looked up once.
pub(crate) struct HandlerMetrics {
    ok: Counter,
    rejected: Counter,
    failed: Counter,
    call_seconds: Histogram,
}

impl HandlerMetrics {
    pub(crate) fn new(kind: &str, handler: &'static str) -> Self {
        let kind: String = kind.into();
        let calls = |outcome: &'static str| counter!("abide_calls_total", "kind" => kind.clone(), "handler" => handler, "outcome" => outcome);
        Self {
            ok: calls("ok"),
            rejected: calls("rejected"),
            failed: calls("failed"),
            call_seconds: histogram!("abide_call_seconds", "kind" => kind, "handler" => handler),
        }
    }

    pub(crate) fn call(&self, error: Option<&Error>, took: Duration) {
        match error.map(Error::code) {
            None => self.ok.increment(1),
            Some(Code::Rejected) => self.rejected.increment(1),
            Some(_) => self.failed.increment(1),
        }
        self.call_seconds.record(took);
    }
}

/// The counters of the node as a whole.
pub(crate) struct NodeMetrics {
    pub(crate) commit_seconds: Histogram,
    pub(crate) batch_size: Histogram,
    pub(crate) load_seconds: Histogram,
    pub(crate) fenced: Counter,
    pub(crate) alarms_due: Gauge,
    pub(crate) alarm_lag: Histogram,
    pub(crate) outbox_depth: Gauge,
    pub(crate) subscribers: Gauge,
    pub(crate) mailbox_depth: Gauge,
    pub(crate) shards_owned: Gauge,
}

impl NodeMetrics {
    pub(crate) fn new() -> Self {
        Self {
            commit_seconds: histogram!("abide_commit_seconds"),
            batch_size: histogram!("abide_commit_batch_size"),
            load_seconds: histogram!("abide_store_load_seconds"),
            fenced: counter!("abide_epoch_fenced_total"),
            alarms_due: gauge!("abide_alarms_due"),
            alarm_lag: histogram!("abide_alarm_lag_seconds"),
            outbox_depth: gauge!("abide_outbox_depth"),
            subscribers: gauge!("abide_subscribers"),
            mailbox_depth: gauge!("abide_mailbox_depth"),
            shards_owned: gauge!("abide_shards_owned"),
        }
    }
}

/// Sets how many objects of a kind are in memory.
pub(crate) fn objects_active(kind: &str, count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge!("abide_objects_active", "kind" => kind.to_owned()).set(count as f64);
}
