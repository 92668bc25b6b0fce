//! What `cargo run --release` runs: `abide serve` if nothing is said, else the `abide` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.len() < 2 {
        arguments.push("serve".into());
    }
    abide_cli::run(arguments)
}
