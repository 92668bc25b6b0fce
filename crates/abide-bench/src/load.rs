//! Callers in a closed loop: each makes its next call when the last one has been answered.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::child::processor_seconds;

/// What a run came to.
#[derive(Clone)]
pub(crate) struct Measured {
    calls: u64,
    elapsed: Duration,
    latency: Histogram<u64>,
    processor_seconds: f64,
}

impl Measured {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time a call, in microseconds: of the process that was measured, callers included if
    /// they are in it.
    pub(crate) fn processor(&self) -> f64 {
        self.processor_seconds / self.calls as f64 * 1e6
    }

    /// As measured, with the processor time of another process.
    pub(crate) fn with_processor(self, processor_seconds: f64) -> Self {
        Self { processor_seconds, ..self }
    }

    /// A percentile of the latency, in microseconds.
    pub(crate) fn micros(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1_000.0
    }
}

/// Latencies in nanoseconds, to one part in a hundred.
#[derive(Clone)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Self {
        Self(Histogram::new(2).expect("two digits are possible"))
    }

    pub(crate) fn note(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanos).expect("a histogram grows");
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("a histogram grows");
    }

    /// What was noted in so much time.
    pub(crate) fn over(self, elapsed: Duration) -> Measured {
        Measured { calls: self.0.len(), elapsed, latency: self.0, processor_seconds: 0.0 }
    }
}

/// A cheap walk over `objects` that looks random; each caller has its own.
pub(crate) struct Walk(u64, usize);

impl Walk {
    pub(crate) fn new(caller: usize, objects: usize) -> Self {
        Self(caller as u64 * 7_919 + 1, objects)
    }

    pub(crate) fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) as usize) % self.1
    }
}

/// Runs `callers` tasks for `time`; each calls `call(object)` again and again.
pub(crate) async fn closed_loop<F, Fut>(callers: usize, objects: usize, time: Duration, call: F) -> Measured
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let call = Arc::new(call);
    let used = processor_seconds(std::process::id());
    let start = Instant::now();
    let stop = start + time;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut latency = Latency::new();
                let mut walk = Walk::new(caller, objects);
                let mut before = Instant::now();
                while before < stop {
                    call(walk.next()).await;
                    let after = Instant::now();
                    latency.note(after - before);
                    before = after;
                }
                latency
            })
        })
        .collect();
    let mut latency = Latency::new();
    for task in tasks {
        latency.add(&task.await.expect("a caller panicked"));
    }
    let used = processor_seconds(std::process::id()) - used;
    latency.over(start.elapsed()).with_processor(used)
}
