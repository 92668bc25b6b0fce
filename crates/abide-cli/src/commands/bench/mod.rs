//! `abide bench`: the load generator.

mod fanout;
mod http;
mod in_process;
mod meter;
mod target;

use std::time::Duration;

use abide::duration::parse_duration;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::{
    meter::{Meter, Summary},
    target::Target,
};
use crate::{failure::Outcome, output::Table, session::Session};

/// Measure how many calls a node answers, and how soon.
///
/// The HTTP scenarios use the node at --url; if none runs there, one is started in this process, on a
/// temporary file. The objects that a scenario makes are deleted afterwards.
///
/// Each worker makes its next call when it has the answer to the last one.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// What to measure; all of them if nothing is said.
    #[arg(long, value_enum, value_name = "SCENARIO")]
    scenario: Vec<Scenario>,
    /// How long each scenario runs.
    #[arg(long, default_value = "5s", value_parser = time)]
    time: Duration,
    /// How many workers call at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// How many objects the `-many` scenarios call.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    objects: u32,
    /// How many watchers `watch-fanout` has.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    watchers: u32,
    /// The store of the `inproc-` scenarios [default: a temporary SQLite file].
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Everybody calls one object, over HTTP.
    HttpHot,
    /// Calls go to many objects, over HTTP.
    HttpMany,
    /// Everybody calls one object, in this process.
    InprocHot,
    /// Calls go to many objects, in this process.
    InprocMany,
    /// One object changes, and many watch it over HTTP: the times are from a call to each watcher.
    WatchFanout,
}

/// How a scenario is run.
#[derive(Clone, Copy, Debug)]
struct Load {
    time: Duration,
    workers: u32,
    objects: u32,
    watchers: u32,
}

impl Bench {
    /// Runs the scenarios one after the other and prints a table.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let scenarios = if self.scenario.is_empty() { Scenario::value_variants().to_vec() } else { self.scenario };
        let load = Load { time: self.time, workers: self.workers, objects: self.objects, watchers: self.watchers };
        let mut target = Target::new(session.clone(), self.store);
        let mut done = Vec::new();
        for scenario in scenarios {
            let meter = Meter::start(&name(scenario), load.time, session.output.is_json());
            done.push((scenario, run(scenario, load, &mut target, meter).await?));
        }
        target.stop().await?;
        print(session, &done)
    }
}

async fn run(scenario: Scenario, load: Load, target: &mut Target, meter: Meter) -> Outcome<Summary> {
    let one = Load { objects: 1, ..load };
    match scenario {
        Scenario::HttpHot => http::run(&target.client().await?, one, meter).await,
        Scenario::HttpMany => http::run(&target.client().await?, load, meter).await,
        Scenario::InprocHot => in_process::run(&target.node().await?, one, meter).await,
        Scenario::InprocMany => in_process::run(&target.node().await?, load, meter).await,
        Scenario::WatchFanout => fanout::run(&target.client().await?, load, meter).await,
    }
}

fn print(session: &Session, done: &[(Scenario, Summary)]) -> Outcome {
    if session.output.is_json() {
        let all: Vec<_> = done.iter().map(|(scenario, summary)| summary.json(&name(*scenario))).collect();
        return session.output.value(&json!({ "scenarios": all }));
    }
    let mut table =
        Table::new(&session.output, &["scenario", "done", "per second", "p50", "p99", "p99.9", "most", "failed"]);
    for (scenario, summary) in done {
        table.row(summary.row(&name(*scenario)));
    }
    table.print(&session.output, "nothing was measured")
}

fn name(scenario: Scenario) -> String {
    scenario.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(time) if time >= Duration::from_millis(100) => Ok(time),
        Ok(_) => Err("measure for at least 100ms".into()),
        Err(error) => Err(error.to_string()),
    }
}
