//! What a person would do by hand, as commands: `cargo xtask lint`, `test`,
//! `verify`, `bench`, `sim`.
//!
//! It depends on no crate of the workspace, so that it still runs when they do
//! not compile.
#![allow(clippy::print_stdout, reason = "printing to a terminal is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "it times real programs with the real clock")]

mod bans;
mod command_line;
mod commands;
mod layering;
mod licences;
mod metadata;
mod programs;
mod services;
mod sources;
mod spdx;
mod summary;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match commands::run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
