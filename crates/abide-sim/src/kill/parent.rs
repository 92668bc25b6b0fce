//! The process that kills.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    database::{Database, Hurt, KillStore},
    protocol::{Line, Try},
    tally::Tally,
};
use crate::{dice::Dice, scenario::Mutation};

/// A child that is not ready by then has failed.
const READY_MAX: Duration = Duration::from_secs(30);
/// A node that answers nothing by then, though its database is back, has failed.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// How the loop is run.
#[derive(Clone, Debug)]
pub struct KillOptions {
    /// What it runs on.
    pub store: KillStore,
    /// How often something is hurt. The child is killed in every round.
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
    /// How often the database was killed.
    pub database_kills: u64,
    /// How often the database was held for seconds.
    pub pauses: u64,
    /// How long it took until the node answered again.
    pub recoveries: Recoveries,
}

/// How long it took, from when the database was back, until a call made since then was answered by a
/// node that nobody restarted.
#[derive(Clone, Debug, Default)]
pub struct Recoveries {
    /// After a kill and a new start.
    pub kills: Vec<Duration>,
    /// After a pause.
    pub pauses: Vec<Duration>,
}

/// Runs the loop. `progress` hears of every round.
///
/// # Errors
/// If a child or a server cannot be started, or does not come up.
pub fn run_rounds(options: &KillOptions, mut progress: impl FnMut(&Progress)) -> Result<KillReport, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut database = Database::start(options.store, &options.directory)?;
    let url = database.url();
    let mut dice = Dice::part(options.seed, "kills");
    let mut report = KillReport::default();
    let mut tally = Tally::default();
    let mut retries: Vec<Try> = Vec::new();
    for round in 1..=options.rounds {
        let hurt = Hurt::of(options.store, round);
        let mut child = Running::start(options, &url, round, &tally, &retries)?;
        report.restarts.push(child.ready_after);
        pause(dice.millis(5..=options.life_ms_max));
        let recovered = harm(hurt, &mut database, &mut child, &mut dice, &mut report)?;
        tally.hear(&child.kill()?);
        if hurt == Hurt::Both {
            database.start_again()?;
        }
        retries = tally.cut_off();
        let recent = round.saturating_sub(1).max(1)..=round;
        let checked = recovered.and(runtime.block_on(tally.check(&url, recent, false)));
        match checked {
            Ok(()) => report.passed += 1,
            Err(broken) => report.failures.push((round, format!("{hurt}: {broken}"))),
        }
        progress(&Progress { rounds: round, answered: tally.answered });
    }
    let settled = settle(options, &url);
    let checked = settled.and_then(|()| runtime.block_on(tally.check(&url, 1..=options.rounds, true)));
    report.failures.extend(checked.err().map(|broken| (options.rounds + 1, broken)));
    let Tally { answered, unknown, retried, alarms, messages, .. } = tally;
    Ok(KillReport { answered, unknown, retried, alarms, messages, ..report })
}

/// Does to the database what the round wants, and waits until the node, which nobody restarts, answers
/// again. The inner error is the node's fault.
fn harm(
    hurt: Hurt,
    database: &mut Database,
    child: &mut Running,
    dice: &mut Dice,
    report: &mut KillReport,
) -> Result<Result<(), String>, String> {
    match hurt {
        Hurt::Node => return Ok(Ok(())),
        Hurt::Both => {
            report.database_kills += 1;
            database.kill()?;
            pause(dice.millis(0..=20));
            return Ok(Ok(()));
        }
        Hurt::Database => {
            report.database_kills += 1;
            database.kill()?;
            pause(dice.millis(100..=1_500));
            database.start_again()?;
        }
        Hurt::Pause => {
            report.pauses += 1;
            database.pause()?;
            pause(dice.millis(1_000..=3_000));
            database.resume()?;
        }
    }
    let answered = child.answers_again();
    if let Ok(after) = &answered {
        let recoveries = &mut report.recoveries;
        let times = if hurt == Hurt::Pause { &mut recoveries.pauses } else { &mut recoveries.kills };
        times.push(*after);
        pause(dice.millis(50..=300));
    }
    Ok(answered.map(drop))
}

#[expect(clippy::disallowed_methods, reason = "the processes live in real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Lets a last child bring everything to rest.
fn settle(options: &KillOptions, url: &str) -> Result<(), String> {
    let output = command(options, url, options.rounds + 1)
        .arg("--settle")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the last child does not come to rest: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn command(options: &KillOptions, url: &str, round: u64) -> Command {
    let mut command = Command::new(&options.program);
    let seed = options.seed.wrapping_add(round);
    command.arg("child").args(["--store", url]);
    command.args(["--round", &round.to_string(), "--seed", &seed.to_string()]);
    if let Some(mutation) = options.mutation {
        command.args(["--mutant", &mutation.to_string()]);
    }
    command
}

/// A child under load.
struct Running {
    process: Child,
    lines: mpsc::Receiver<Line>,
    heard: Vec<Line>,
    ready_after: Duration,
}

impl Running {
    fn start(options: &KillOptions, url: &str, round: u64, tally: &Tally, retries: &[Try]) -> Result<Self, String> {
        let started = now();
        let mut process = command(options, url, round)
            .args(["--token", &tally.next_token().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the child cannot be started: {error}"))?;
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("BUG: the child has no pipes".into());
        };
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || read(stdout, &said));
        if lines.recv_timeout(READY_MAX) != Ok(Line::Ready) {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
            return Err(format!("the node of round {round} does not start"));
        }
        let ready_after = started.elapsed();
        for retry in retries {
            writeln!(stdin, "{retry}").map_err(|error| format!("the child does not listen: {error}"))?;
        }
        Ok(Self { process, lines, heard: Vec::new(), ready_after })
    }

    /// Waits until a call that is made from now on is answered; says how long that took.
    fn answers_again(&mut self) -> Result<Duration, String> {
        let started = now();
        self.heard.extend(self.lines.try_iter());
        let mut tried = BTreeSet::new();
        loop {
            let left = AGAIN_MAX.saturating_sub(started.elapsed());
            let line = self.lines.recv_timeout(left).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => {
                    format!("the node answers nothing within {AGAIN_MAX:?} after the database is back")
                }
                mpsc::RecvTimeoutError::Disconnected => "the node ended when its database was away".to_owned(),
            })?;
            self.heard.push(line.clone());
            match line {
                Line::Try(call) => drop(tried.insert(call.token)),
                Line::Ok { token, .. } if tried.contains(&token) => return Ok(started.elapsed()),
                _ => {}
            }
        }
    }

    /// Kills it and returns what it said.
    fn kill(mut self) -> Result<Vec<Line>, String> {
        self.process.kill().map_err(|error| format!("the child cannot be killed: {error}"))?;
        self.process.wait().map_err(|error| error.to_string())?;
        // Until the pipe is empty and closed.
        self.heard.extend(self.lines.iter());
        Ok(self.heard)
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
fn now() -> Instant {
    Instant::now()
}

/// Passes on lines until the pipe closes. A last line that was torn is not a line.
fn read(stdout: ChildStdout, said: &mpsc::Sender<Line>) {
    let mut stdout = BufReader::new(stdout);
    let mut text = String::new();
    while stdout.read_line(&mut text).is_ok_and(|read| read > 0) {
        if let Some(Ok(line)) = text.strip_suffix('\n').map(str::parse) {
            // The parent may have given up.
            let _ = said.send(line);
        }
        text.clear();
    }
}
