//! What `/metrics` shows.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// How often what was collected is summed up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The upper bounds of times, in seconds: from 50 µs to 30 s.
const SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

/// The upper bounds of numbers of things.
const COUNTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Collects metrics in this process from now on, for `/metrics` to show. Asking again is harmless.
///
/// Call it before the node starts: what is counted before goes nowhere. Calls are only counted and timed
/// when `NodeOptions::metered` is on. `Abide::open(…).metrics()` does both.
///
/// A running [`Server`](crate::Server) sums up what was collected, every few seconds. A program without one
/// calls [`PrometheusHandle::run_upkeep`] or [`PrometheusHandle::render`] now and then: until then each
/// sample takes memory.
///
/// If the program has installed another recorder before, that one stays, and `/metrics` is empty: give
/// its handle to [`ServerOptions::metrics`](crate::ServerOptions::metrics) instead.
pub fn install_metrics() -> PrometheusHandle {
    INSTALLED
        .get_or_init(|| {
            let recorder = builder().build_recorder();
            let handle = recorder.handle();
            if ::metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("this program collects metrics elsewhere already; /metrics will be empty");
            }
            describe();
            handle
        })
        .clone()
}

/// What [`install_metrics`] collects, if it was called.
pub(crate) fn installed() -> Option<PrometheusHandle> {
    INSTALLED.get().cloned()
}

/// Sums up, for ever, what was collected: each sample takes memory until then, and nobody may ever ask.
pub(crate) async fn upkeep(handle: Option<&PrometheusHandle>) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        if let Some(handle) = handle {
            handle.run_upkeep();
        }
    }
}

fn builder() -> PrometheusBuilder {
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS);
    builder
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &COUNTS))
        .expect("BUG: buckets are not empty")
}

fn describe() {
    use ::metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("abide_refused_total", "Requests and frames refused at the door, by code.");
    describe_counter!(
        "abide_audit_left_out_total",
        "Acts that the audit log leaves out: too many refused, or no room."
    );
    describe_counter!("abide_calls_total", "Calls answered, by kind, handler and outcome.");
    describe_histogram!("abide_call_seconds", "From a call's arrival to its answer.");
    describe_histogram!("abide_commit_seconds", "How long the store took for one batch of commits.");
    describe_histogram!("abide_commit_batch_size", "Commits in one batch.");
    describe_histogram!("abide_store_load_seconds", "How long the store took to load an object.");
    describe_gauge!("abide_objects_active", "Objects in memory, by kind.");
    describe_gauge!("abide_mailbox_depth", "Calls that wait for their turn.");
    describe_counter!("abide_turns_blocked_total", "Turns whose handler kept its thread for two seconds or longer.");
    describe_gauge!("abide_alarms_due", "Alarms that are due and have not fired.");
    describe_histogram!("abide_alarm_lag_seconds", "How late alarms fired.");
    describe_gauge!("abide_outbox_depth", "Durable messages on their way.");
    describe_gauge!("abide_subscribers", "Watchers of objects.");
    describe_gauge!("abide_clients_connected", "Connections to the front door.");
    describe_gauge!("abide_shards_owned", "Shards this node owns.");
    describe_counter!("abide_epoch_fenced_total", "Commits refused because another owner has the shard.");
}
