use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The first part of a run is not measured: connections open, objects load, caches fill.
const WARM_UP: u32 = 5;

/// What a run is measured with. Clones measure the same run.
#[derive(Clone)]
pub(super) struct Meter {
    inner: Arc<Inner>,
}

struct Inner {
    time: Duration,
    begun: Mutex<Option<Instant>>,
    done: AtomicU64,
    failed: AtomicU64,
    micros: Mutex<Histogram<u64>>,
    over: CancellationToken,
    bar: ProgressBar,
}

/// What a run came to.
pub(super) struct Summary {
    done: u64,
    failed: u64,
    seconds: f64,
    micros: Histogram<u64>,
}

/// Measures for one worker, and hands over when it is dropped.
pub(super) struct Recorder {
    meter: Meter,
    micros: Histogram<u64>,
}

#[expect(clippy::disallowed_methods, reason = "a load generator measures real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

impl Meter {
    /// Shows a bar; the time runs from [`Meter::begin`] on.
    pub(super) fn start(name: &str, time: Duration, hidden: bool) -> Self {
        let style = ProgressStyle::with_template("{prefix:14} {bar:30} {msg}");
        let bar = if hidden { ProgressBar::hidden() } else { ProgressBar::new(millis(time)) };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_owned());
        bar.set_message("preparing");
        let inner = Inner {
            time,
            begun: Mutex::new(None),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            micros: Mutex::new(histogram()),
            over: CancellationToken::new(),
            bar,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs until the time is over.
    pub(super) async fn begin(&self) {
        let inner = &self.inner;
        tokio::time::sleep(inner.time / WARM_UP).await;
        inner.done.store(0, Ordering::Relaxed);
        inner.failed.store(0, Ordering::Relaxed);
        let begun = now();
        *lock(&inner.begun) = Some(begun);
        while begun.elapsed() < inner.time {
            tokio::time::sleep(Duration::from_millis(100).min(inner.time)).await;
            inner.bar.set_position(millis(begun.elapsed()));
            inner.bar.set_message(format!("{} per second", rate(self.done(), begun.elapsed().as_secs_f64())));
        }
        inner.over.cancel();
        inner.bar.finish_and_clear();
    }

    /// A recorder for one worker.
    pub(super) fn recorder(&self) -> Recorder {
        Recorder { meter: self.clone(), micros: histogram() }
    }

    /// Is cancelled when the time is over.
    pub(super) fn over(&self) -> &CancellationToken {
        &self.inner.over
    }

    /// What it came to. Every recorder has been dropped.
    pub(super) fn summary(&self) -> Summary {
        let inner = &self.inner;
        Summary {
            done: self.done(),
            failed: inner.failed.load(Ordering::Relaxed),
            seconds: inner.time.as_secs_f64(),
            micros: lock(&inner.micros).clone(),
        }
    }

    fn done(&self) -> u64 {
        self.inner.done.load(Ordering::Relaxed)
    }

    fn is_measuring(&self) -> bool {
        lock(&self.inner.begun).is_some() && !self.inner.over.is_cancelled()
    }
}

impl Recorder {
    /// Counts one that worked, begun at `begun`.
    pub(super) fn done(&mut self, begun: Instant) {
        if self.meter.is_measuring() {
            self.meter.inner.done.fetch_add(1, Ordering::Relaxed);
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.micros.saturating_record(micros.max(1));
        }
    }

    /// Counts one that failed.
    pub(super) fn failed(&self) {
        if self.meter.is_measuring() {
            self.meter.inner.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Both have the same bounds, so adding cannot fail.
        let _ = lock(&self.meter.inner.micros).add(&self.micros);
    }
}

impl Summary {
    pub(super) fn row(&self, name: &str) -> [String; 8] {
        let at = |quantile| micros(self.micros.value_at_quantile(quantile));
        [
            name.to_owned(),
            self.done.to_string(),
            rate(self.done, self.seconds),
            at(0.5),
            at(0.99),
            at(0.999),
            micros(self.micros.max()),
            self.failed.to_string(),
        ]
    }

    pub(super) fn json(&self, name: &str) -> Value {
        let at = |quantile| self.micros.value_at_quantile(quantile);
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded")]
        let per_second = (self.done as f64 / self.seconds).round();
        json!({
            "scenario": name, "done": self.done, "failed": self.failed, "seconds": self.seconds,
            "per_second": per_second, "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999),
            "max_us": self.micros.max(),
        })
    }
}

/// From a microsecond to a minute, to two digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("BUG: the bounds of a histogram are in order")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rounded")]
fn rate(done: u64, seconds: f64) -> String {
    format!("{:.0}", done as f64 / seconds.max(0.001))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn micros(micros: u64) -> String {
    match micros {
        ..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}
