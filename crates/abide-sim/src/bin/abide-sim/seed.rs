//! `abide-sim seed`.

use abide_sim::scenario::{Mutation, Settings, run_seed};
use clap::Args;

/// Replays one seed.
#[derive(Args)]
pub(crate) struct Replay {
    /// The seed.
    seed: u64,
    /// Print everything that happens.
    #[arg(long)]
    trace: bool,
    /// With this mutant.
    #[arg(long)]
    mutant: Option<Mutation>,
}

impl Replay {
    /// Says whether the seed passed.
    #[expect(clippy::print_stdout, reason = "this is what the user asked for")]
    pub(crate) fn run(&self) -> bool {
        let report = run_seed(self.seed, Settings { mutation: self.mutant, trace: self.trace, hurried: false });
        for line in &report.lines {
            println!("{line}");
        }
        let virtual_s = report.virtual_time.as_secs_f64();
        println!("seed {}: {virtual_s:.1} s of virtual time, trace {:016x}", report.seed, report.hash);
        if report.passed() {
            println!("1 passed, 0 failed");
        } else {
            println!("{}\n0 passed, 1 failed", report.failure());
        }
        report.passed()
    }
}
