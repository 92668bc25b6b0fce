//! Runs seeds of the simulation, replays one, and shows that mutants are caught.

mod mutants;
mod run;
mod seed;
mod stress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Deterministic simulation of Abide: the real node in a world made from a seed.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many seeds and reports those that break a promise.
    Run(run::Run),
    /// Replays one seed.
    Seed(seed::Replay),
    /// Runs the same worlds on several threads, in real time.
    Stress(stress::Stress),
    /// Breaks promises on purpose and shows how soon each break is noticed.
    Mutants(mutants::Mutants),
}

fn main() -> ExitCode {
    let all_well = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Seed(replay) => replay.run(),
        Command::Stress(stress) => stress.run(),
        Command::Mutants(mutants) => mutants.run(),
    };
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
