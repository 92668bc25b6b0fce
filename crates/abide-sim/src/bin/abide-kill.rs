//! Kills a node without warning, again and again, and looks whether it kept its word.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use abide_sim::{
    kill::{ChildOptions, KillOptions, KillReport, run_child, run_rounds},
    scenario::Mutation,
};
use clap::{Args, Parser, Subcommand};
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};

/// The kill loop: a real process over SQLite, under load, killed with `kill -9` at random moments.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    kill: Kill,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Kill {
    /// How often.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// The seed of load and moments.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The longest life of a process, in milliseconds.
    #[arg(long, default_value_t = 300)]
    life_ms_max: u64,
    /// Break a promise on purpose, to see that the loop notices: NoGate and the like.
    #[arg(long)]
    mutant: Option<Mutation>,
}

#[derive(Subcommand)]
enum Command {
    /// The process that is killed; started by the loop.
    #[command(hide = true)]
    Child(Child),
}

#[derive(Args)]
struct Child {
    #[arg(long)]
    file: PathBuf,
    #[arg(long)]
    round: u64,
    #[arg(long, default_value_t = 1)]
    token: u64,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    settle: bool,
    #[arg(long)]
    mutant: Option<Mutation>,
}

#[expect(clippy::print_stderr, reason = "errors of a program")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Child(Child { file, round, token, seed, settle, mutant })) => {
            run_child(&ChildOptions { file, round, token, seed, settle, mutation: mutant }).map(|()| true)
        }
        None => kill(&cli.kill),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("abide-kill: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all rounds passed.
fn kill(options: &Kill) -> Result<bool, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let bar = ProgressBar::new(options.rounds).with_style(style());
    let options = KillOptions {
        rounds: options.rounds,
        seed: options.seed,
        program,
        directory: directory.path().to_owned(),
        life_ms_max: options.life_ms_max.max(5),
        mutation: options.mutant,
    };
    let report = run_rounds(&options, |progress| {
        bar.set_position(progress.rounds);
        bar.set_message(format!("{} calls acknowledged", progress.answered));
    })?;
    bar.finish_and_clear();
    print(&report);
    Ok(report.failures.is_empty())
}

fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} kills  {eta} left  {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
fn print(report: &KillReport) {
    for (round, broken) in &report.failures {
        println!("round {round} failed:\n{broken}\n");
    }
    let mut restarts = report.restarts.clone();
    restarts.sort_unstable();
    let at = |part: usize| restarts.get(restarts.len() * part / 100).copied().unwrap_or(Duration::ZERO);
    let longest = restarts.last().copied().unwrap_or(Duration::ZERO);
    let mut table = Table::new();
    table.set_header(["what", "how many"]);
    table.add_row(["kills".to_owned(), report.restarts.len().to_string()]);
    table.add_row(["calls acknowledged".to_owned(), report.answered.to_string()]);
    table.add_row(["calls cut off".to_owned(), report.unknown.to_string()]);
    table.add_row(["keyed calls retried after a kill".to_owned(), report.retried.to_string()]);
    table.add_row(["alarms fired".to_owned(), report.alarms.to_string()]);
    table.add_row(["messages applied".to_owned(), report.messages.to_string()]);
    table.add_row(["restart, median".to_owned(), format!("{:.0?}", at(50))]);
    table.add_row(["restart, longest".to_owned(), format!("{longest:.0?}")]);
    println!("{table}");
    println!("{} passed, {} failed", report.passed, report.failures.len());
}
