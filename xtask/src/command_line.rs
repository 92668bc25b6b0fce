//! A command line that can be shown, and run.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::metadata;
use crate::summary::{Report, Runner};

/// A program with its arguments and extra environment, run from the root of
/// the workspace. Its `Display` is what to paste into a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl CommandLine {
    /// The `cargo` on the `PATH` (not `$CARGO`: only the former understands
    /// `+nightly`).
    pub(crate) fn cargo<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self { program: "cargo".into(), args: args.into_iter().map(Into::into).collect(), env: Vec::new() }
    }

    /// Any other program, without arguments so far.
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new() }
    }

    /// The same, with one more variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The same, with more arguments at its end.
    pub(crate) fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs it on this terminal, its input included; whether it succeeded.
    pub(crate) fn run_attached(&self) -> anyhow::Result<bool> {
        let status = self.command().status().with_context(|| format!("could not start `{self}`"))?;
        Ok(status.success())
    }

    /// Runs it without input, its output shown; whether it succeeded.
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let status =
            self.command().stdin(Stdio::null()).status().with_context(|| format!("could not start `{self}`"))?;
        Ok(status.success())
    }

    /// Runs it without input or output; whether it could be started and
    /// succeeded. For asking whether a tool is there.
    pub(crate) fn succeeds_silently(&self) -> bool {
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// What it prints; `None` if it cannot be started or fails. For asking a tool for its version.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it without input, shows its output as it comes, and reports what
    /// `runner` said in it.
    pub(crate) fn run_reporting(&self, runner: Runner) -> anyhow::Result<(bool, Report)> {
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{self}`"))?;
        let stdout = child.stdout.take().context("BUG: stdout is piped")?;
        let stderr = child.stderr.take().context("BUG: stderr is piped")?;
        let report = std::thread::scope(|scope| {
            let other = scope.spawn(|| copy_reporting(stderr, std::io::stderr(), runner));
            let mut report = copy_reporting(stdout, std::io::stdout(), runner);
            report.add(&other.join().unwrap_or_default());
            report
        });
        let status = child.wait()?;
        Ok((status.success(), report))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(metadata::workspace_root());
        command
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        write!(f, "{}", self.program)?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_+=/.,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Copies line by line, so that nothing is kept but the report. A line that
/// cannot be shown (the terminal is gone) is still read.
fn copy_reporting(from: impl Read, mut to: impl Write, runner: Runner) -> Report {
    let mut from = BufReader::new(from);
    let mut report = Report::default();
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
        let _ = to.write_all(&line);
        report.read(runner, &String::from_utf8_lossy(&line));
        line.clear();
    }
    let _ = to.flush();
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Counts;

    #[test]
    fn a_command_line_reads_as_what_one_would_type() {
        let line = CommandLine::cargo(["doc", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --workspace");
    }

    #[test]
    fn output_is_copied_whole_and_counted() {
        let text = b"one\n3 passed, 1 failed\nno newline at the end";
        let mut copy = Vec::new();
        let report = copy_reporting(&text[..], &mut copy, Runner::Plain);
        assert_eq!(copy, text);
        assert_eq!(report.counts, Some(Counts { passed: 3, failed: 1 }));
    }

    #[test]
    fn a_program_that_is_not_there_does_not_succeed() {
        let mut line = CommandLine::cargo(["--version"]);
        assert!(line.succeeds_silently());
        line.program = "no-such-program-anywhere".into();
        assert!(!line.succeeds_silently());
        assert!(line.run().is_err());
    }
}
