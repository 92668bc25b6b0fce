use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    client::Certificates,
    commands::{
        access::Access, alarms::Alarms, backup::Backup, bench::Bench, call::Call, completions::Completions,
        generate::Generate, get::Get, keys::Keys, kinds::Kinds, log::Log, ls::Ls, new::New, projections::Projections,
        restore::Restore, rm::Rm, serve::Serve, store::Store, watch::Watch,
    },
    failure::Outcome,
    output::Output,
    session::Session,
};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "abide", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// The address of the node.
    #[arg(long, global = true, env = "ABIDE_URL", default_value = "http://127.0.0.1:7070", hide_env_values = true)]
    url: String,
    /// The token or API key to show to the node. A secret is safer in ABIDE_TOKEN: others see flags.
    #[arg(long, global = true, env = "ABIDE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The tenant whose objects are meant, for those whose role reaches several.
    #[arg(long, global = true, env = "ABIDE_NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    certificates: Certificates,
    /// Print JSON, for programs; errors too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const ABOUT: &str = "State a program can call by name: objects that are durable, singular and watchable.";
const EXAMPLES: &str = "\
Begin with:
  abide serve                              a node with demo objects, in ./data
  abide call Counter visits increment amount=5
  abide watch Counter visits               the changes, as they happen
  abide kinds                              what there is to call

Exit codes: 0 it worked, 1 the request failed, 2 the command was not written right.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    Call(Call),
    Get(Get),
    Ls(Ls),
    Rm(Rm),
    Watch(Watch),
    Log(Log),
    Alarms(Alarms),
    Kinds(Kinds),
    Projections(Projections),
    Access(Access),
    Keys(Keys),
    Store(Store),
    Backup(Backup),
    Restore(Restore),
    Bench(Bench),
    New(New),
    #[command(name = "gen")]
    Generate(Generate),
    Completions(Completions),
}

/// Runs the command line and gives the exit code of the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with exit code 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Cli { url, token, namespace, certificates, json, .. } = cli;
    let session = Session { url, token, namespace, certificates, output: Output::new(json) };
    let Some(command) = cli.command else {
        let _ = Cli::command().print_help();
        return ExitCode::SUCCESS;
    };
    match command.run(&session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                session.output.failure(&failure);
            }
            ExitCode::from(failure.exit())
        }
    }
}

impl Command {
    fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Serve(command) => crowd()?.block_on(command.run(session)),
            Self::Bench(command) => crowd()?.block_on(command.run(session)),
            Self::Call(command) => alone()?.block_on(command.run(session)),
            Self::Get(command) => alone()?.block_on(command.run(session)),
            Self::Ls(command) => alone()?.block_on(command.run(session)),
            Self::Rm(command) => alone()?.block_on(command.run(session)),
            Self::Watch(command) => alone()?.block_on(command.run(session)),
            Self::Log(command) => alone()?.block_on(command.run(session)),
            Self::Alarms(command) => alone()?.block_on(command.run(session)),
            Self::Kinds(command) => alone()?.block_on(command.run(session)),
            Self::Projections(command) => alone()?.block_on(command.run(session)),
            Self::Access(command) => command.run(session),
            Self::Keys(command) => command.run(session),
            Self::Store(command) => alone()?.block_on(command.run(session)),
            Self::Backup(command) => alone()?.block_on(command.run(session)),
            Self::Restore(command) => alone()?.block_on(command.run(session)),
            Self::New(command) => command.run(session),
            Self::Generate(command) => alone()?.block_on(command.run(session)),
            Self::Completions(command) => command.run(),
        }
    }
}

/// A runtime with more threads than cores: a handler that never yields takes one thread with it, not
/// the node.
fn crowd() -> Outcome<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Builder::new_multi_thread().worker_threads(cores + 4).enable_all().build()?)
}

/// A runtime for one request after the other.
fn alone() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_put_together_right() {
        Cli::command().debug_assert();
    }
}
