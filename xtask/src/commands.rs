//! The commands, one file each.

mod bench;
mod fuzz;
mod lint;
mod openapi;
mod sim;
mod test;
mod verify;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  lint [STEP…]              format, clippy, documentation, layering, file lengths,
                            unfinished work, licences, bans; changes nothing
  test [--seeds N] [STEP…]  every test there is: unit, integration and doc tests,
                            simulator seeds (2000 unless told), the TypeScript client,
                            browser tests, fuzz targets, requests made up from
                            /openapi.json;
                            the last line is `N passed, N failed`
  verify [--seeds N]        lint, then test: what CI runs
  bench [ARGS…]             the benchmarks; ARGS go to abide-bench
  sim [ARGS…]               the simulator; ARGS go to abide-sim
                            (`run --seeds N`, `mutants`, …)
  openapi [--seed N]        requests made up from /openapi.json, by schemathesis

STEP is the name of one step, as the command prints it; without one, all run.";

const BAD_USAGE: u8 = 2;

/// Runs the command that `args` names; without one, explains them all.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        println!("{HELP}");
        return Ok(ExitCode::from(BAD_USAGE));
    };
    let passed = match command.as_str() {
        "lint" => lint::run(rest)?,
        "test" => test::run(rest)?,
        "verify" => verify::run(rest)?,
        "bench" => bench::run(rest)?,
        "sim" => sim::run(rest)?,
        "openapi" => openapi::run(rest)?,
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            true
        }
        unknown => {
            eprintln!("error: there is no command `{unknown}`\n\n{HELP}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
