//! The process that kills.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    protocol::{Line, Try},
    tally::Tally,
};
use crate::{dice::Dice, scenario::Mutation};

/// A child that is not ready by then has failed.
const READY_MAX: Duration = Duration::from_secs(30);

/// How the loop is run.
#[derive(Clone, Debug)]
pub struct KillOptions {
    /// How often the child is killed.
    pub rounds: u64,
    /// The seed of load and moments; real processes do not replay exactly.
    pub seed: u64,
    /// The program that runs a child: this one.
    pub program: PathBuf,
    /// A directory for the SQLite file.
    pub directory: PathBuf,
    /// The longest life of a child, in milliseconds.
    pub life_ms_max: u64,
    /// Break this promise on purpose, to see that the loop notices.
    pub mutation: Option<Mutation>,
}

/// How far the loop is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Rounds done.
    pub rounds: u64,
    /// Calls acknowledged so far.
    pub answered: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct KillReport {
    /// Rounds whose checks all passed.
    pub passed: u64,
    /// What was broken, by round; the check at the end counts as one more.
    pub failures: Vec<(u64, String)>,
    /// Calls acknowledged.
    pub answered: u64,
    /// Calls of which nobody knows what became of them.
    pub unknown: u64,
    /// Keyed calls tried again after a kill.
    pub retried: u64,
    /// Alarms fired.
    pub alarms: u64,
    /// Durable messages applied.
    pub messages: u64,
    /// How long each restart took, from the start of the process until the node ran.
    pub restarts: Vec<Duration>,
}

/// Runs the loop. `progress` hears of every round.
///
/// # Errors
/// If a child cannot be started, or does not come up.
pub fn run_rounds(options: &KillOptions, mut progress: impl FnMut(&Progress)) -> Result<KillReport, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let file = options.directory.join("abide.db");
    let mut dice = Dice::part(options.seed, "kills");
    let mut report = KillReport::default();
    let mut tally = Tally::default();
    let mut retries: Vec<Try> = Vec::new();
    for round in 1..=options.rounds {
        let mut child = Running::start(options, &file, round, &tally, &retries)?;
        report.restarts.push(child.ready_after);
        #[expect(clippy::disallowed_methods, reason = "the child lives in real time")]
        std::thread::sleep(dice.millis(5..=options.life_ms_max));
        tally.hear(&child.kill()?);
        retries = tally.cut_off();
        let recent = round.saturating_sub(1).max(1)..=round;
        match runtime.block_on(tally.check(&file, recent, false)) {
            Ok(()) => report.passed += 1,
            Err(broken) => report.failures.push((round, broken)),
        }
        progress(&Progress { rounds: round, answered: tally.answered });
    }
    let settled = settle(options, &file);
    let checked = settled.and_then(|()| runtime.block_on(tally.check(&file, 1..=options.rounds, true)));
    report.failures.extend(checked.err().map(|broken| (options.rounds + 1, broken)));
    let Tally { answered, unknown, retried, alarms, messages, .. } = tally;
    Ok(KillReport { answered, unknown, retried, alarms, messages, ..report })
}

/// Lets a last child bring everything to rest.
fn settle(options: &KillOptions, file: &Path) -> Result<(), String> {
    let output = command(options, file, options.rounds + 1)
        .arg("--settle")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the last child does not come to rest: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn command(options: &KillOptions, file: &Path, round: u64) -> Command {
    let mut command = Command::new(&options.program);
    let seed = options.seed.wrapping_add(round);
    command.arg("child").arg("--file").arg(file);
    command.args(["--round", &round.to_string(), "--seed", &seed.to_string()]);
    if let Some(mutation) = options.mutation {
        command.args(["--mutant", &mutation.to_string()]);
    }
    command
}

/// A child under load.
struct Running {
    process: Child,
    reader: JoinHandle<Vec<Line>>,
    ready_after: Duration,
}

impl Running {
    fn start(options: &KillOptions, file: &Path, round: u64, tally: &Tally, retries: &[Try]) -> Result<Self, String> {
        #[expect(clippy::disallowed_methods, reason = "a real process takes real time")]
        let started = Instant::now();
        let mut process = command(options, file, round)
            .args(["--token", &tally.next_token().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the child cannot be started: {error}"))?;
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("BUG: the child has no pipes".into());
        };
        let (ready, is_ready) = mpsc::channel();
        let reader = std::thread::spawn(move || read(stdout, &ready));
        if is_ready.recv_timeout(READY_MAX).is_err() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
            return Err(format!("the node of round {round} does not start"));
        }
        let ready_after = started.elapsed();
        for retry in retries {
            writeln!(stdin, "{retry}").map_err(|error| format!("the child does not listen: {error}"))?;
        }
        Ok(Self { process, reader, ready_after })
    }

    /// Kills it and returns what it said.
    fn kill(&mut self) -> Result<Vec<Line>, String> {
        self.process.kill().map_err(|error| format!("the child cannot be killed: {error}"))?;
        self.process.wait().map_err(|error| error.to_string())?;
        let reader = std::mem::replace(&mut self.reader, std::thread::spawn(Vec::new));
        reader.join().map_err(|_| "BUG: the reader of the child's lines panicked".into())
    }
}

/// Reads until the pipe closes. A last line that was torn is not a line.
fn read(stdout: ChildStdout, ready: &mpsc::Sender<()>) -> Vec<Line> {
    let mut stdout = BufReader::new(stdout);
    let mut lines = Vec::new();
    let mut text = String::new();
    while stdout.read_line(&mut text).is_ok_and(|read| read > 0) {
        if let Some(Ok(line)) = text.strip_suffix('\n').map(str::parse) {
            if line == Line::Ready {
                // The parent may have given up.
                let _ = ready.send(());
            }
            lines.push(line);
        }
        text.clear();
    }
    lines
}
