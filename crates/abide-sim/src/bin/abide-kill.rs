//! Kills a node without warning, again and again, and looks whether it kept its word.

use std::{process::ExitCode, time::Duration};

use abide_sim::{
    kill::{ChildOptions, KillOptions, KillReport, KillStore, run_child, run_rounds},
    scenario::Mutation,
};
use clap::{Args, Parser, Subcommand};
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};

/// The kill loop: a real process under load, killed with `kill -9` at random moments, and its database too.
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
    /// What it runs on: sqlite, postgres or redis; a server is started, killed and paused as well.
    #[arg(long, default_value = "sqlite")]
    store: KillStore,
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
    store: String,
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
        Some(Command::Child(Child { store, round, token, seed, settle, mutant })) => {
            run_child(&ChildOptions { store, round, token, seed, settle, mutation: mutant }).map(|()| true)
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
        store: options.store,
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
    let mut table = Table::new();
    table.set_header(["what", "how many"]);
    table.add_row(["kills of the node".to_owned(), report.restarts.len().to_string()]);
    if report.database_kills > 0 {
        table.add_row(["kills of the database".to_owned(), report.database_kills.to_string()]);
        table.add_row(["pauses of the database".to_owned(), report.pauses.to_string()]);
    }
    table.add_row(["calls acknowledged".to_owned(), report.answered.to_string()]);
    table.add_row(["calls cut off".to_owned(), report.unknown.to_string()]);
    table.add_row(["keyed calls retried after a kill".to_owned(), report.retried.to_string()]);
    table.add_row(["alarms fired".to_owned(), report.alarms.to_string()]);
    table.add_row(["messages applied".to_owned(), report.messages.to_string()]);
    let mut times = |what: &str, times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
            table.add_row([format!("{what}, median"), format!("{median:.0?}")]);
            table.add_row([format!("{what}, longest"), format!("{longest:.0?}")]);
        }
    };
    times("restart", &report.restarts);
    times("first answer after a kill of the database", &report.recoveries.kills);
    times("first answer after a pause of the database", &report.recoveries.pauses);
    println!("{table}");
    println!("{} passed, {} failed", report.passed, report.failures.len());
}
