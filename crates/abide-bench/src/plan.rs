//! What is to be measured, and for how long.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, builder::PossibleValuesParser};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::reach::{REACH, has_aims};

/// The scenarios, in the order in which they run.
pub(crate) const SCENARIOS: [&str; 16] = [
    "single",
    "durable",
    "transfers",
    "volatile",
    "http",
    "frames",
    "watchers",
    "fanout",
    "cold",
    "startup",
    "alarms",
    "memory",
    "moving",
    "postgres",
    "redis",
    "bundle",
];

/// What Abide costs, each figure beside its limit in the same run.
#[derive(Parser, Debug)]
#[command(name = "abide-bench")]
pub(crate) struct Args {
    /// Which to run; all if none is named: single, durable, transfers, volatile, http, frames, watchers, fanout, cold,
    /// startup, alarms, memory, moving, postgres, redis (these three need the servers installed), bundle (needs
    /// `npm ci`). `reach` is all that have something to reach.
    #[arg(value_parser = names())]
    scenarios: Vec<String>,
    /// How long each rate is measured, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often everything is measured; medians are shown, with the lowest and the highest.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How often `moving` moves the whole store each way.
    #[arg(long, default_value_t = 1)]
    moves: usize,
    /// How many objects `cold`, `startup`, `memory` and `moving` have.
    #[arg(long, default_value_t = 1_000_000)]
    objects: usize,
    /// How many alarms are due at once.
    #[arg(long, default_value_t = 100_000)]
    alarms: usize,
    /// How many watchers one object has; `watchers` has ten times as many.
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// Where temporary databases go: what is measured is the disk of this folder.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Writes the results as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Only Abide's side of `durable`, `volatile` or `http`, once: something for a profiler to look at.
    #[arg(long, value_name = "CALLERS,OBJECTS", env = "ABIDE_BENCH_ONLY", value_parser = only)]
    only: Option<(usize, usize)>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(SCENARIOS.into_iter().chain([REACH]))
}

impl Args {
    /// Whether all that has something to reach is to run.
    pub(crate) fn reach(&self) -> bool {
        self.scenarios.iter().any(|wanted| wanted == REACH)
    }

    /// Whether this scenario is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let named = self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == name);
        named || (self.reach() && has_aims(name))
    }
}

fn only(text: &str) -> Result<(usize, usize), std::num::ParseIntError> {
    let (callers, objects) = text.split_once(',').unwrap_or((text, "10000"));
    Ok((callers.parse()?, objects.parse()?))
}

/// How long and how often each cell is measured, and where progress is shown.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
    pub(crate) moves: usize,
    pub(crate) objects: usize,
    pub(crate) alarms: usize,
    pub(crate) watchers: usize,
    pub(crate) only: Option<(usize, usize)>,
    folder: PathBuf,
    bar: ProgressBar,
}

impl Plan {
    pub(crate) fn of(args: &Args) -> anyhow::Result<Self> {
        let beside = std::env::current_exe()?.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
        let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {wide_msg}";
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(250));
        Ok(Self {
            seconds: Duration::from_secs_f64(args.seconds),
            rounds: args.rounds.max(1),
            moves: args.moves.max(1),
            objects: args.objects.max(20_000),
            alarms: args.alarms,
            watchers: args.watchers,
            only: args.only,
            folder: args.folder.clone().unwrap_or(beside),
            bar,
        })
    }

    /// A fresh folder, gone when it is dropped.
    pub(crate) fn folder(&self) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix("abide-bench-").tempdir_in(&self.folder)
    }

    /// So many more steps are to come.
    pub(crate) fn expect(&self, steps: usize) {
        self.bar.inc_length(steps as u64);
    }

    /// One step begins.
    pub(crate) fn step(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(what);
        self.bar.inc(1);
    }

    /// Prints between two pictures of the bar.
    pub(crate) fn print(&self, text: &str) {
        self.bar.suspend(|| println!("{text}"));
    }

    /// The bar goes.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
