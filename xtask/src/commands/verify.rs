//! `cargo xtask verify`: what CI runs.

use super::{lint, test};

/// Lints, then tests; the tests run even if a lint failed, so that one run
/// shows everything there is to mend.
pub(crate) fn run(args: &[String]) -> anyhow::Result<bool> {
    let options = test::Options::parse(args)?;
    let linted = lint::run(&[])?;
    let tested = test::run_with(&options, !linted)?;
    Ok(linted && tested)
}
