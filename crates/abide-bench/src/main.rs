//! What Abide costs, each figure beside its limit in the same run.
//!
//! `cargo xtask bench [SCENARIO…] [--seconds S] [--rounds R]`

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock, spawns and prints")]

mod actors;
mod bare;
mod durable;
mod kinds;
mod load;
mod report;
mod volatile;

use std::time::Duration;

/// How long and how often each cell is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let mut plan = Plan { seconds: Duration::from_secs(2), rounds: 3 };
    let mut scenarios = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| anyhow::anyhow!("{arg} takes a number"));
        match arg.as_str() {
            "--seconds" => plan.seconds = Duration::from_secs_f64(value()?.parse()?),
            "--rounds" => plan.rounds = value()?.parse()?,
            name => scenarios.push(name.to_owned()),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = |name: &str| scenarios.is_empty() || scenarios.iter().any(|s| s == name);
    if wanted("durable") {
        runtime.block_on(durable::run(plan))?;
    }
    if wanted("volatile") {
        runtime.block_on(volatile::run(plan))?;
    }
    Ok(())
}
