//! `abide-sim mutants`.

use std::num::NonZeroU64;

use abide_sim::scenario::{Mutation, Settings, run_seed};
use clap::Args;
use comfy_table::Table;
use indicatif::ProgressBar;

/// Breaks promises on purpose.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Within how many seeds each has to be caught.
    #[arg(long, default_value = "200")]
    seeds: NonZeroU64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

impl Mutants {
    /// Says whether every mutant was caught.
    #[expect(clippy::print_stdout, reason = "this is what the user asked for")]
    pub(crate) fn run(&self) -> bool {
        let mut table = Table::new();
        table.set_header(["mutant", "what it breaks", "caught by seed", "how"]);
        let mut missed = 0;
        for mutation in Mutation::ALL {
            let bar = ProgressBar::new(self.seeds.get()).with_style(super::run::style());
            bar.set_message(mutation.to_string());
            let caught = (self.from..self.from + self.seeds.get()).find_map(|seed| {
                bar.inc(1);
                let report = run_seed(seed, Settings { mutation: Some(mutation), ..Settings::default() });
                report.failure.map(|failure| (seed, failure))
            });
            bar.finish_and_clear();
            let (seed, how) = match caught {
                Some((seed, failure)) => (seed.to_string(), failure.lines().next().unwrap_or_default().to_owned()),
                None => {
                    missed += 1;
                    ("none".into(), format!("NOT CAUGHT within {} seeds", self.seeds))
                }
            };
            table.add_row([mutation.to_string(), mutation.describe().to_owned(), seed, how]);
        }
        println!("{table}");
        println!("{} caught, {missed} missed", Mutation::ALL.len() - missed);
        missed == 0
    }
}
