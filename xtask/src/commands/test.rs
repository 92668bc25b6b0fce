//! `cargo xtask test`: every test there is.

use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::{fuzz, openapi, web};
use crate::command_line::CommandLine;
use crate::summary::{Counts, Report, Runner};
use crate::table::{Row, Table, Verdict, footline, headline};
use crate::{programs, services};

const SEEDS: u64 = 2000;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    seeds: u64,
    only: Vec<String>,
    ci: bool,
}

/// What a step does on this machine.
pub(crate) enum Plan {
    /// Runs commands, each counted as `counting` says.
    Run(Vec<CommandLine>, Counting),
    /// Is left out, which is no failure.
    NotRun(String),
    /// Would have had to run, and cannot.
    Failed(String),
}

/// How a command's tests are counted.
#[derive(Clone, Copy)]
pub(crate) enum Counting {
    /// From the runner's summary; without one the step fails, since then
    /// nothing shows that any test ran.
    Summary(Runner),
    /// From the summary if there is one; otherwise the command is one test.
    SummaryOrWhole(Runner),
    /// The command is one test.
    Whole,
}

struct Step {
    name: &'static str,
    plan: fn(&Options) -> anyhow::Result<Plan>,
}

/// The steps of the test command, in order. A new one is a line here.
const STEPS: &[Step] = &[
    Step { name: "services", plan: real_services },
    Step { name: "tests", plan: tests },
    Step { name: "doc-tests", plan: doc_tests },
    Step { name: "seeds", plan: |options| simulator(&["run", "--seeds", &options.seeds.to_string()]) },
    Step { name: "mutants", plan: |_| simulator(&["mutants"]) },
    Step { name: "kill", plan: kill },
    Step { name: "web", plan: |options| web::plan(options.ci) },
    Step { name: "fuzz", plan: |options| fuzz::plan(options.ci) },
    Step { name: "openapi", plan: |options| openapi::plan(options.ci) },
];

/// Runs every step, or those that `args` name. Whether all passed.
pub(crate) fn run(args: &[String]) -> anyhow::Result<bool> {
    run_with(&Options::parse(args)?, false)
}

/// The same; `lint_failed` says so again above the last line, where it is seen.
pub(crate) fn run_with(options: &Options, lint_failed: bool) -> anyhow::Result<bool> {
    let mut table = Table::default();
    for step in STEPS {
        if options.only.is_empty() || options.only.iter().any(|name| name == step.name) {
            table.rows.push(step.run(options));
        }
    }
    let Counts { passed, failed } = table.counts();
    println!("\n{table}");
    if lint_failed {
        println!("lint failed: its table stands above the tests");
    }
    println!("{passed} passed, {failed} failed");
    Ok(table.passed())
}

impl Options {
    /// Reads `[--seeds N] [STEP…]`.
    pub(crate) fn parse(args: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { seeds: SEEDS, only: Vec::new(), ci: std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1") };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--seeds" {
                let seeds = args.next().context("--seeds needs a number")?;
                options.seeds = seeds.parse().with_context(|| format!("--seeds needs a number, not `{seeds}`"))?;
                ensure!(options.seeds > 0, "--seeds needs a number from 1");
            } else if STEPS.iter().any(|step| step.name == arg) {
                options.only.push(arg.clone());
            } else {
                let names = Vec::from_iter(STEPS.iter().map(|step| step.name)).join(", ");
                bail!("test has no option or step `{arg}`: it has --seeds N, {names}");
            }
        }
        Ok(options)
    }
}

impl Step {
    fn run(&self, options: &Options) -> Row {
        let started = Instant::now();
        let (verdict, report) = match (self.plan)(options) {
            Ok(Plan::Run(commands, counting)) => self.run_all(&commands, counting),
            Ok(Plan::NotRun(why)) => (Verdict::NotRun(why), Report::default()),
            Ok(Plan::Failed(why)) => (Verdict::Failed(why), Report::default()),
            Err(error) => (Verdict::Failed(format!("{error:#}")), Report::default()),
        };
        let mut counts = report.counts.unwrap_or_default();
        if matches!(verdict, Verdict::Failed(_)) {
            counts.failed = counts.failed.max(1);
        }
        let took = started.elapsed();
        footline(self.name, &verdict, took);
        Row { step: self.name.into(), verdict, counts, took, remarks: report.remarks }
    }

    /// Runs all of them, so that one run shows every failure.
    fn run_all(&self, commands: &[CommandLine], counting: Counting) -> (Verdict, Report) {
        let mut failures = Vec::new();
        let mut whole = Report::default();
        for command in commands {
            headline(self.name, &command.to_string());
            let (report, failure) = counting.run(command);
            whole.add(&report);
            failures.extend(failure.map(|why| format!("{why}; run it alone with `{command}`")));
        }
        let verdict = if failures.is_empty() { Verdict::Passed } else { Verdict::Failed(failures.join("; ")) };
        (verdict, whole)
    }
}

impl Counting {
    /// Runs `command`: what it reports, and why it failed if it did.
    fn run(self, command: &CommandLine) -> (Report, Option<String>) {
        let ran = match self {
            Self::Summary(runner) | Self::SummaryOrWhole(runner) => command.run_reporting(runner),
            Self::Whole => command.run().map(|passed| (passed, Report::default())),
        };
        let (success, mut report) = match ran {
            Ok(ran) => ran,
            Err(error) => return (Report::one(false), Some(format!("{error:#}"))),
        };
        if !matches!(self, Self::Summary(_)) {
            report.counts = report.counts.or(Some(Counts::one(success)));
        }
        let failure = match (success, report.counts) {
            (true, None) => Some("it printed no summary of its tests".to_owned()),
            (true, Some(Counts { failed: 0, .. })) => None,
            (_, Some(Counts { failed, .. })) if failed > 0 => Some(format!("{failed} failed")),
            _ => Some("it did not run to its end".to_owned()),
        };
        (report, failure)
    }
}

/// The servers that tests run against: installed if they are not there and can be.
fn real_services(options: &Options) -> anyhow::Result<Plan> {
    let missing = services::ensure()?;
    Ok(match missing.is_empty() {
        true => Plan::Run(Vec::new(), Counting::Whole),
        false if options.ci => Plan::Failed(services::sentence(&missing)),
        false => Plan::NotRun(services::sentence(&missing)),
    })
}

/// Unit and integration tests, with the better runner if it is there. Tests of servers that are not
/// here are left out, which the step before has said.
fn tests(options: &Options) -> anyhow::Result<Plan> {
    let missing = services::missing();
    let (command, runner) = if CommandLine::cargo(["nextest", "--version"]).succeeds_silently() {
        let profile = if options.ci { "ci" } else { "default" };
        let args = ["nextest", "run", "--workspace", "--no-fail-fast"];
        let mut command = CommandLine::cargo(args).args(["--profile", profile]);
        if !missing.is_empty() {
            command = command.args(["-E", &services::without(&missing)]);
        }
        (command, Runner::Nextest)
    } else if !missing.is_empty() {
        let sentence = services::sentence(&missing);
        return Ok(Plan::Failed(format!("{sentence}; only cargo-nextest can leave their tests out")));
    } else {
        let args = ["test", "--workspace", "--no-fail-fast"];
        let targets = ["--lib", "--bins", "--tests", "--examples"];
        (CommandLine::cargo(args).args(targets), Runner::Libtest)
    };
    Ok(Plan::Run(vec![command], Counting::Summary(runner)))
}

fn doc_tests(_: &Options) -> anyhow::Result<Plan> {
    let command = CommandLine::cargo(["test", "--workspace", "--no-fail-fast", "--doc"]);
    Ok(Plan::Run(vec![command], Counting::Summary(Runner::Libtest)))
}

/// Each store of the kill loop with its rounds: each kind of harm once for a server.
const KILLS: [(&str, &str); 3] = [("sqlite", "10"), ("postgres", "4"), ("redis", "4")];

/// The kill loop on each store whose server is here; the first step has said which are not.
fn kill(_: &Options) -> anyhow::Result<Plan> {
    let missing = services::missing();
    let is_here = |store: &str| missing.iter().all(|service| service.tests != store);
    let here = KILLS.into_iter().filter(|(store, _)| is_here(store));
    let program = programs::command("abide-kill")?;
    let runs = here.map(|(store, rounds)| program.clone().args(["--store", store, "--rounds", rounds]));
    Ok(Plan::Run(runs.collect(), Counting::SummaryOrWhole(Runner::Plain)))
}

/// A command of the simulator.
fn simulator(args: &[&str]) -> anyhow::Result<Plan> {
    let command = programs::command("abide-sim")?.args(args);
    Ok(Plan::Run(vec![command], Counting::SummaryOrWhole(Runner::Plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Options> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Options::parse(&args)
    }

    fn run_step(plan: fn(&Options) -> anyhow::Result<Plan>) -> Row {
        let step = Step { name: "made-up", plan };
        step.run(&parse(&[]).unwrap())
    }

    #[test]
    fn seeds_and_steps_are_read_from_the_arguments() {
        let options = parse(&["--seeds", "50", "fuzz", "tests"]).unwrap();
        assert_eq!(options.seeds, 50);
        assert_eq!(options.only, ["fuzz", "tests"]);
        assert_eq!(parse(&[]).unwrap().seeds, SEEDS);
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for args in [&["--seeds"][..], &["--seeds", "many"], &["--seeds", "0"]] {
            let error = parse(args).unwrap_err().to_string();
            assert!(error.contains("--seeds needs a number"), "{error}");
        }
        let error = parse(&["--sedes", "5"]).unwrap_err().to_string();
        assert!(error.contains("--seeds N, services"), "{error}");
    }

    #[test]
    fn a_step_that_succeeds_without_a_summary_has_failed() {
        let row = run_step(|_| {
            let command = CommandLine::cargo(["--version"]);
            Ok(Plan::Run(vec![command], Counting::Summary(Runner::Nextest)))
        });
        assert!(matches!(row.verdict, Verdict::Failed(_)));
        assert_eq!(row.counts, Counts::one(false));
    }

    #[test]
    fn a_command_counted_as_a_whole_is_one_test() {
        let row = run_step(|_| {
            let good = CommandLine::cargo(["--version"]);
            let bad = CommandLine::cargo(["no-such-command-of-cargo"]);
            Ok(Plan::Run(vec![good, bad], Counting::Whole))
        });
        assert!(matches!(row.verdict, Verdict::Failed(_)));
        assert_eq!(row.counts, Counts { passed: 1, failed: 1 });
    }

    #[test]
    fn a_step_left_out_counts_nothing_and_one_that_cannot_run_counts_as_failed() {
        let left_out = run_step(|_| Ok(Plan::NotRun("no such tool".into())));
        assert_eq!(left_out.verdict, Verdict::NotRun("no such tool".into()));
        assert_eq!(left_out.counts, Counts::default());
        let failed = run_step(|_| Ok(Plan::Failed("no such tool".into())));
        assert_eq!(failed.counts, Counts::one(false));
    }
}
