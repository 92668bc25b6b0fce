//! What Abide costs, each figure beside its limit in the same run.
//!
//! `cargo xtask bench [SCENARIO…] [--seconds S] [--rounds R] [--json FILE]`

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock, spawns and prints")]

mod actors;
mod alarms;
mod bare;
mod child;
mod cold;
mod durable;
mod fanout;
mod frames;
mod http;
mod kinds;
mod load;
mod memory;
mod moving;
mod plan;
mod reach;
mod report;
mod single;
mod startup;
mod stored;
mod stores;
mod transfers;
mod volatile;

use clap::Parser;

use crate::{
    plan::{Args, Plan, SCENARIOS},
    report::Section,
    stored::Stored,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    if let Some(role) = child::role() {
        return child::run(role);
    }
    let args = Args::parse();
    let plan = Plan::of(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut stored = None;
    let mut sections = Vec::new();
    for name in SCENARIOS {
        if !args.wants(name) {
            continue;
        }
        match runtime.block_on(run(name, &plan, &mut stored)) {
            Ok(section) => {
                plan.print(&section.text());
                sections.push(section);
            }
            // One server that is not installed must not take the other rows with it.
            Err(error) if args.reach() => plan.print(&format!("\n{name}: not measured: {error:#}")),
            Err(error) => return Err(error),
        }
    }
    if let Some(judged) = reach::judged(&sections, args.reach()) {
        plan.print(&judged.text());
        sections.push(judged);
    }
    plan.finish();
    if let Some(file) = &args.json {
        let all: Vec<_> = sections.iter().map(Section::json).collect();
        std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    Ok(())
}

async fn run(name: &str, plan: &Plan, stored: &mut Option<Stored>) -> anyhow::Result<Section> {
    match name {
        "single" => single::run(plan).await,
        "durable" => durable::run(plan).await,
        "transfers" => transfers::run(plan).await,
        "volatile" => volatile::run(plan).await,
        "http" => http::run(plan).await,
        "frames" => frames::run(plan).await,
        "watchers" => frames::watchers(plan).await,
        "fanout" => fanout::run(plan).await,
        "cold" => cold::run(plan, Stored::once(stored, plan).await?).await,
        "startup" => startup::run(plan, Stored::once(stored, plan).await?).await,
        "alarms" => alarms::run(plan).await,
        "memory" => memory::run(plan, Stored::once(stored, plan).await?).await,
        "moving" => moving::run(plan, Stored::once(stored, plan).await?).await,
        "postgres" => stores::postgres(plan).await,
        "redis" => stores::redis(plan).await,
        "bundle" => tokio::task::block_in_place(|| reach::bundle(plan)),
        other => anyhow::bail!("there is no scenario {other}"),
    }
}
