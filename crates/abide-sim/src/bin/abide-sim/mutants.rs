//! `abide-sim mutants`.

use std::{collections::BTreeMap, num::NonZeroU64};

use abide_sim::{
    check::Promise,
    scenario::{Failure, Mutation, Report, Settings, run_seed},
};
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
    /// Only this one.
    #[arg(long)]
    mutant: Option<Mutation>,
}

/// How a promise was seen to be broken.
struct Caught {
    seed: u64,
    how: String,
    /// What else was said of the same seed.
    also: String,
}

impl Mutants {
    /// Says whether every mutant was caught, by the checker of each promise that it breaks.
    #[expect(clippy::print_stdout, reason = "this is what the user asked for")]
    pub(crate) fn run(&self) -> bool {
        let mut table = Table::new();
        table.set_header([
            "mutant",
            "what it does",
            "breaks",
            "to be noticed by",
            "caught by seed",
            "how",
            "also said",
        ]);
        let (mut caught, mut missed) = (0, 0);
        let chosen = Mutation::ALL.into_iter().filter(|mutation| self.mutant.is_none_or(|only| only == *mutation));
        for mutation in chosen {
            let mut proofs = self.hunt(mutation);
            for promise in mutation.breaks() {
                let (seed, how, also) = match proofs.remove(promise) {
                    Some(Caught { seed, how, also }) => {
                        caught += 1;
                        (seed.to_string(), how, also)
                    }
                    None => {
                        missed += 1;
                        ("none".into(), format!("NOT CAUGHT within {} seeds", self.seeds), String::new())
                    }
                };
                let (name, what) = (mutation.to_string(), mutation.describe().to_owned());
                table.add_row([name, what, promise.name().into(), promise.checker().into(), seed, how, also]);
            }
        }
        println!("{table}");
        println!("{caught} caught, {missed} missed");
        missed == 0
    }

    /// Runs seeds until each promise that the mutant breaks is seen to be broken.
    fn hunt(&self, mutation: Mutation) -> BTreeMap<Promise, Caught> {
        let bar = ProgressBar::new(self.seeds.get()).with_style(super::run::style());
        bar.set_message(mutation.to_string());
        let mut caught = BTreeMap::new();
        for seed in self.from..self.from.saturating_add(self.seeds.get()) {
            if caught.len() == mutation.breaks().len() {
                break;
            }
            bar.inc(1);
            let report = run_seed(seed, Settings { mutation: Some(mutation), ..Settings::default() });
            for promise in mutation.breaks() {
                if let Some(proof) = report.proof_of(*promise) {
                    let how = format!("{}: {}: {}", proof.object, proof.fault, first_line(&proof.evidence));
                    let also = others(&report, *promise);
                    caught.entry(*promise).or_insert(Caught { seed, how, also });
                }
            }
        }
        bar.finish_and_clear();
        caught
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What was said beside what the promise's own checker said.
fn others(report: &Report, promise: Promise) -> String {
    let mut others: Vec<&str> = Vec::new();
    let broken = Promise::ALL.into_iter().filter(|other| *other != promise && report.proof_of(*other).is_some());
    others.extend(broken.map(|other| other.name()));
    others.extend(report.failures.iter().filter_map(|failure| match failure {
        Failure::Broken(_) => None,
        Failure::Odd(what) => Some(first_line(what)),
    }));
    others.join("; ")
}
