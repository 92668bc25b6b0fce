//! What became of the steps, as a table at the end of a run.

use std::fmt;
use std::time::Duration;

use crate::summary::Counts;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ran and passed.
    Passed,
    /// It ran and failed, or had to run and could not.
    Failed(String),
    /// It could not run here, and need not.
    NotRun(String),
}

/// One step's line in the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The step's name.
    pub(crate) step: String,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// The tests it ran; a failed step has at least one failed test.
    pub(crate) counts: Counts,
    /// How long it took.
    pub(crate) took: Duration,
    /// Which of its tests failed or passed only at a second try, a line each.
    pub(crate) remarks: Vec<String>,
}

/// The lines of a run, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// One line a step.
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// Whether no step failed.
    pub(crate) fn passed(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.verdict, Verdict::Failed(_)))
    }

    /// All steps' tests together.
    pub(crate) fn counts(&self) -> Counts {
        let add = |sum, row: &Row| Counts::sum(sum, Some(row.counts));
        self.rows.iter().fold(None, add).unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.step.len()).max();
        let width = width.unwrap_or_default();
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            writeln!(f, "{:width$}  {seconds:>7.1} s  {}", row.step, row.verdict)?;
        }
        for row in self.rows.iter().filter(|row| !row.remarks.is_empty()) {
            writeln!(f, "\nwhat failed in {}, or passed only at a second try:", row.step)?;
            row.remarks.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(f, "passed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
        }
    }
}

/// Prints the headline that a step's output stands under.
pub(crate) fn headline(step: &str, command: &str) {
    println!("\n━━ {step}: {command}");
}

/// Prints the line that closes a step's output.
pub(crate) fn footline(step: &str, verdict: &Verdict, took: Duration) {
    println!("── {step} {verdict} ({:.1} s)", took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: &str, verdict: Verdict, passed: u64, failed: u64) -> Row {
        Row {
            step: step.into(),
            verdict,
            counts: Counts { passed, failed },
            took: Duration::from_millis(1500),
            remarks: Vec::new(),
        }
    }

    #[test]
    fn a_table_passes_unless_a_step_failed() {
        let mut table = Table::default();
        table.rows.push(row("tests", Verdict::Passed, 7, 0));
        table.rows.push(row("fuzz", Verdict::NotRun("no nightly".into()), 0, 0));
        assert!(table.passed());
        table.rows.push(row("seeds", Verdict::Failed("see above".into()), 3, 1));
        assert!(!table.passed());
        assert_eq!(table.counts(), Counts { passed: 10, failed: 1 });
    }

    #[test]
    fn columns_line_up_and_every_verdict_says_why() {
        let mut table = Table::default();
        table.rows.push(row("tests", Verdict::Passed, 7, 0));
        table.rows.push(row("simulator", Verdict::NotRun("no time".into()), 0, 0));
        assert_eq!(table.to_string(), "tests          1.5 s  passed\nsimulator      1.5 s  not run: no time\n");
    }

    #[test]
    fn what_failed_is_said_again_below_the_steps() {
        let mut failed = row("tests", Verdict::Failed("1 failed".into()), 7, 1);
        failed.remarks = vec!["FAIL [ 0.2s] core bad".into()];
        let table = Table { rows: vec![failed, row("seeds", Verdict::Passed, 1, 0)] };
        let shown = table.to_string();
        let (steps, remarks) = shown.split_once("\n\n").unwrap();
        assert!(steps.ends_with("seeds      1.5 s  passed"), "{shown}");
        assert_eq!(remarks, "what failed in tests, or passed only at a second try:\n  FAIL [ 0.2s] core bad\n");
    }
}
