//! `cargo xtask bench`: the benchmarks.

use crate::command_line::CommandLine;

/// Forwards `args` to the benchmark program, built as a release.
pub(crate) fn run(args: &[String]) -> anyhow::Result<bool> {
    CommandLine::cargo(["run", "--release", "-p", "abide-bench", "--"]).args(args).run_attached()
}
