//! The programs of the workspace that tests are made with.

use std::path::PathBuf;

use anyhow::ensure;

use crate::{command_line::CommandLine, metadata, table::headline};

/// The file of the program `name`, built as the tests are. One build, with the features of all tests, is
/// what every step shares: where the tests ran before, there is nothing left to build. With it come overflow
/// checks and debug assertions, which a release leaves out.
pub(crate) fn built(name: &str) -> anyhow::Result<PathBuf> {
    let build = CommandLine::cargo(["test", "--workspace", "--no-run", "--quiet"]);
    headline(name, &build.to_string());
    ensure!(build.run()?, "`{name}` cannot be built: `{build}` failed");
    Ok(metadata::target_directory()?.join("debug").join(name))
}

/// A command line of it, without arguments so far.
pub(crate) fn command(name: &str) -> anyhow::Result<CommandLine> {
    Ok(CommandLine::new(&built(name)?.display().to_string()))
}
