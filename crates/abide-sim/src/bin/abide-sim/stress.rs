//! `abide-sim stress`.

use abide_sim::scenario::{Mutation, Settings, stress};
use clap::Args;
use indicatif::ProgressBar;

/// Runs the same worlds on several threads, in real time.
#[derive(Args)]
pub(crate) struct Stress {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many threads.
    #[arg(long, default_value_t = 4)]
    threads: usize,
    /// How many worlds live at the same time.
    #[arg(long, default_value_t = 200)]
    worlds: usize,
    /// With this mutant.
    #[arg(long)]
    mutant: Option<Mutation>,
}

impl Stress {
    /// Says whether all seeds passed.
    #[expect(clippy::print_stdout, reason = "this is what the user asked for")]
    pub(crate) fn run(&self) -> bool {
        let bar = ProgressBar::new(self.seeds).with_style(super::run::style());
        let settings = Settings { mutation: self.mutant, ..Settings::default() };
        let seeds = self.from..self.from.saturating_add(self.seeds);
        let counted = bar.clone();
        let (reports, panics) =
            stress(seeds, self.threads.max(1), self.worlds.max(1), settings, move |_| counted.inc(1));
        bar.finish_and_clear();
        for report in &reports {
            if !report.passed() {
                println!("seed {} failed:\n{}\n", report.seed, report.failure());
            }
        }
        panics.iter().for_each(|panic| println!("a panic that nobody planned: {panic}"));
        let lost = self.seeds - reports.len() as u64;
        let failed = reports.iter().filter(|report| !report.passed()).count() as u64 + lost;
        let calls: usize = reports.iter().map(|report| report.calls).sum();
        println!("{} worlds on {} threads, {calls} calls judged, {} panics", reports.len(), self.threads, panics.len());
        println!("{} passed, {failed} failed", self.seeds - failed);
        failed == 0 && panics.is_empty()
    }
}
