//! `abide-sim run`.

use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use abide_sim::scenario::{Report, Settings, run_seed};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

/// How many failures are shown in full.
const SHOWN_MAX: u64 = 10;

/// Runs many seeds.
#[derive(Args)]
pub(crate) struct Run {
    /// How many seeds.
    #[arg(long, default_value = "2000")]
    seeds: NonZeroU64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many run at the same time.
    #[arg(long, default_value = "2")]
    jobs: NonZeroU64,
    /// Stop at the first failure.
    #[arg(long)]
    fail_fast: bool,
}

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    calls: u64,
    virtual_s: f64,
}

impl Run {
    /// Says whether all seeds passed.
    pub(crate) fn run(&self) -> bool {
        let bar = ProgressBar::new(self.seeds.get()).with_style(style());
        let tally = Mutex::new(Tally::default());
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        #[expect(clippy::disallowed_methods, reason = "how long the run takes, for people to read")]
        let started = Instant::now();
        std::thread::scope(|threads| {
            for _ in 0..self.jobs.get() {
                threads.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= self.seeds.get() {
                            return;
                        }
                        let report = run_seed(self.from.wrapping_add(index), Settings::default());
                        stop.fetch_or(self.fail_fast && !report.passed(), Ordering::Relaxed);
                        count(&tally, &bar, &report);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let tally = tally.into_inner();
        summarise(&tally, started.elapsed().as_secs_f64());
        tally.failed == 0
    }
}

fn count(tally: &Mutex<Tally>, bar: &ProgressBar, report: &Report) {
    let mut tally = tally.lock();
    tally.calls += report.calls as u64;
    tally.virtual_s += report.virtual_time.as_secs_f64();
    if report.passed() {
        tally.passed += 1;
    } else {
        tally.failed += 1;
        if tally.failed <= SHOWN_MAX {
            let (seed, failure) = (report.seed, report.failure());
            let text = format!("seed {seed} failed:\n{failure}\n  replay it: abide-sim seed {seed} --trace\n");
            bar.suspend(|| print(&text));
        }
    }
    bar.inc(1);
}

#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn summarise(tally: &Tally, seconds: f64) {
    let seeds = tally.passed + tally.failed;
    let per_second = seeds as f64 / seconds.max(0.001);
    let hours = tally.virtual_s / 3600.0;
    print(&format!(
        "{seeds} seeds in {seconds:.1} s: {per_second:.0} seeds/s, {} calls judged, {hours:.1} hours of virtual time",
        tally.calls
    ));
    print(&format!("{} passed, {} failed", tally.passed, tally.failed));
}

pub(crate) fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} seeds  {per_sec}  {eta} left  {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
