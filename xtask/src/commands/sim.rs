//! `cargo xtask sim`: the simulator.

use crate::command_line::CommandLine;

/// Forwards `args` to the simulator, built as a release.
pub(crate) fn run(args: &[String]) -> anyhow::Result<bool> {
    CommandLine::cargo(["run", "--release", "-p", "abide-sim", "--bin", "abide-sim", "--"]).args(args).run_attached()
}
