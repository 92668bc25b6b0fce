use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, failure::Outcome};

/// Print completions for a shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  abide completions bash > ~/.local/share/bash-completion/completions/abide")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "abide", &mut script);
        Ok(io::stdout().lock().write_all(&script)?)
    }
}
