//! `cargo xtask lint`: everything that can be wrong without running the code.

use std::time::Instant;

use anyhow::ensure;

use crate::command_line::CommandLine;
use crate::summary::Counts;
use crate::table::{Row, Table, Verdict, footline, headline};
use crate::{bans, layering, licences, sources};

struct Step {
    name: &'static str,
    check: Check,
}

enum Check {
    Command(CommandLine),
    Own(fn() -> anyhow::Result<()>),
}

/// The steps, the quick ones first.
fn steps() -> Vec<Step> {
    let step = |name, check| Step { name, check };
    let cargo = |args: &[&str]| CommandLine::cargo(args.iter().copied());
    vec![
        step("fmt", Check::Command(cargo(&["fmt", "--all", "--check"]))),
        step("layering", Check::Own(layering::check)),
        step("lengths", Check::Own(sources::check_lengths)),
        step("unfinished", Check::Own(sources::check_finished)),
        step("licences", Check::Own(licences::check)),
        step("bans", Check::Own(bans::check)),
        step("clippy", Check::Command(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
        step("doc", Check::Command(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))),
    ]
}

/// Runs the steps that `only` names, or all; every one runs even if another
/// failed. Whether all passed.
pub(crate) fn run(only: &[String]) -> anyhow::Result<bool> {
    let mut steps = steps();
    for name in only {
        ensure!(
            steps.iter().any(|step| step.name == name),
            "lint has no step `{name}`: it has {}",
            Vec::from_iter(steps.iter().map(|step| step.name)).join(", ")
        );
    }
    if !only.is_empty() {
        steps.retain(|step| only.iter().any(|name| step.name == name));
    }
    let mut table = Table::default();
    for step in &steps {
        table.rows.push(step.run());
    }
    println!("\n{table}");
    println!("lint {}", if table.passed() { "passed" } else { "failed" });
    Ok(table.passed())
}

impl Step {
    fn run(&self) -> Row {
        headline(self.name, &self.alone());
        let started = Instant::now();
        let passed = match &self.check {
            Check::Command(command) => command.run(),
            Check::Own(check) => check().map(|()| true),
        };
        let passed = passed.unwrap_or_else(|error| {
            println!("{error:#}");
            false
        });
        let verdict =
            if passed { Verdict::Passed } else { Verdict::Failed(format!("run it alone with `{}`", self.alone())) };
        let took = started.elapsed();
        footline(self.name, &verdict, took);
        Row { step: self.name.into(), verdict, counts: Counts::one(passed), took, remarks: Vec::new() }
    }

    fn alone(&self) -> String {
        match &self.check {
            Check::Command(command) => command.to_string(),
            Check::Own(_) => format!("cargo xtask lint {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_step_is_an_error_that_names_the_known_ones() {
        let error = run(&["layers".into()]).unwrap_err().to_string();
        assert!(error.contains("fmt, layering"), "{error}");
    }

    #[test]
    fn a_failed_step_says_how_to_run_it_alone() {
        let step = Step { name: "doomed", check: Check::Own(|| anyhow::bail!("as it must")) };
        let row = step.run();
        let expected = "run it alone with `cargo xtask lint doomed`";
        assert_eq!(row.verdict, Verdict::Failed(expected.into()));
    }
}
