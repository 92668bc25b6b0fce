//! The fuzz step of `cargo xtask test`: ten seconds for each target.

use std::path::Path;

use anyhow::Context;

use super::test::{Counting, Plan};
use crate::command_line::CommandLine;
use crate::metadata;
use crate::table::headline;

const SECONDS_EACH: u32 = 10;

/// Which of the needed tools are on this machine.
struct Tools {
    nightly: bool,
    cargo_fuzz: bool,
}

/// Fuzzes every target in `fuzz/`. It needs a nightly toolchain, which is never
/// installed for it, and cargo-fuzz, which CI installs. Without them the same
/// bodies still run over fixed and random bytes as ordinary tests.
pub(crate) fn plan(ci: bool) -> anyhow::Result<Plan> {
    let targets = targets(&metadata::workspace_root().join("fuzz/fuzz_targets"))?;
    let mut tools = Tools {
        nightly: CommandLine::cargo(["+nightly", "--version"]).succeeds_silently(),
        cargo_fuzz: CommandLine::cargo(["fuzz", "--version"]).succeeds_silently(),
    };
    if ci && tools.nightly && !tools.cargo_fuzz && !targets.is_empty() {
        let install = CommandLine::cargo(["install", "cargo-fuzz", "--locked"]);
        headline("fuzz", &install.to_string());
        tools.cargo_fuzz = install.run()?;
    }
    Ok(plan_with(&targets, &tools, ci))
}

fn plan_with(targets: &[String], tools: &Tools, ci: bool) -> Plan {
    if targets.is_empty() {
        return Plan::NotRun("there is no target in fuzz/fuzz_targets".into());
    }
    if !tools.nightly {
        return Plan::NotRun("no nightly toolchain; the same code ran over random bytes as ordinary tests".into());
    }
    if !tools.cargo_fuzz {
        let why = "cargo-fuzz is missing: `cargo install cargo-fuzz --locked`".to_owned();
        return if ci { Plan::Failed(why) } else { Plan::NotRun(why) };
    }
    let commands = targets.iter().map(|target| command(target)).collect();
    Plan::Run(commands, Counting::Whole)
}

fn command(target: &str) -> CommandLine {
    let limit = format!("-max_total_time={SECONDS_EACH}");
    // There is no `unsafe` in the house for a sanitizer to watch, and without one it compiles in half the time.
    CommandLine::cargo(["+nightly", "fuzz", "run", "--dev", "--sanitizer", "none", target, "--", &limit])
}

/// The names of the files in `folder`, sorted; none if there is no folder.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().and_then(|name| name.to_str());
            names.push(name.context("a fuzz target's name is not UTF-8")?.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(targets: &[&str], nightly: bool, cargo_fuzz: bool, ci: bool) -> Plan {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let tools = Tools { nightly, cargo_fuzz };
        plan_with(&targets, &tools, ci)
    }

    #[test]
    fn with_both_tools_each_target_runs_for_its_seconds() {
        let Plan::Run(commands, _) = check(&["frames", "keys"], true, true, false) else {
            panic!("not run");
        };
        let shown: Vec<String> = commands.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "cargo +nightly fuzz run --dev --sanitizer none frames -- -max_total_time=10",
                "cargo +nightly fuzz run --dev --sanitizer none keys -- -max_total_time=10",
            ]
        );
    }

    #[test]
    fn without_a_nightly_toolchain_even_ci_goes_on() {
        assert!(matches!(check(&["keys"], false, true, true), Plan::NotRun(_)));
    }

    #[test]
    fn without_cargo_fuzz_only_ci_fails() {
        assert!(matches!(check(&["keys"], true, false, false), Plan::NotRun(_)));
        assert!(matches!(check(&["keys"], true, false, true), Plan::Failed(_)));
    }

    #[test]
    fn without_targets_nothing_runs() {
        assert!(matches!(check(&[], true, true, true), Plan::NotRun(_)));
        let nowhere = metadata::workspace_root().join("no-such-folder");
        assert_eq!(targets(&nowhere).unwrap(), Vec::<String>::new());
    }
}
