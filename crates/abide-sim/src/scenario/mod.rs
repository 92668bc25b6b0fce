//! One seed: a world with clients, watchers and disturbances, judged at its end.

mod chaos;
mod client;
mod client_effects;
mod goners;
pub(crate) mod kinds;
mod mover;
mod panics;
mod plan;
pub(crate) mod records;
mod scene;
mod verdict;
mod watcher;

use std::{fmt, ops::Range, str::FromStr, sync::Arc, time::Duration};

use abide_node::{Mutant, Object};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::{
    client::Client,
    kinds::{Flash, Graveyard, Hooked, Lazy, Ledger, Metronome, Purse, Scratch},
    mover::Mover,
    plan::Plan,
    records::{Book, Records},
    scene::{Ask, Scene},
    watcher::Watcher,
};
use crate::{
    dice::Dice,
    world::{Disk, Faults, Host, SimClock, Trace, spawn},
};

/// A promise broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The node's own code is mutated.
    Node(Mutant),
    /// The store does not check epochs.
    NoFence,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Node(Mutant::NoGate),
        Self::Node(Mutant::OutcomeNotStored),
        Self::Node(Mutant::NoDedupe),
        Self::Node(Mutant::AlarmDeletedEarly),
        Self::Node(Mutant::OutboxAcknowledgedEarly),
        Self::Node(Mutant::GroupIgnored),
        Self::Node(Mutant::PrincipalForgotten),
        Self::Node(Mutant::DeleteUnnoticed),
        Self::Node(Mutant::LastWordsLost),
        Self::Node(Mutant::OwedForgotten),
        Self::NoFence,
    ];

    /// What it breaks.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Node(Mutant::NoGate) => "answers leave before their commit is durable",
            Self::Node(Mutant::OutcomeNotStored) => "the outcome of a keyed call is not stored",
            Self::Node(Mutant::NoDedupe) => "calls and messages that took effect are not recognised",
            Self::Node(Mutant::AlarmDeletedEarly) => "an alarm is taken off before its turn is durable",
            Self::Node(Mutant::OutboxAcknowledgedEarly) => "a message leaves the outbox before it is applied",
            Self::Node(Mutant::GroupIgnored) => "the commits of a transaction are made each by itself",
            Self::Node(Mutant::PrincipalForgotten) => "an alarm fires on behalf of nobody",
            Self::Node(Mutant::DeleteUnnoticed) => "on_delete does not run when an object deletes itself",
            Self::Node(Mutant::LastWordsLost) => "messages of the turn that deletes their sender are not sent",
            Self::Node(Mutant::OwedForgotten) => "a `behind` object leaves memory with what it owes the store",
            Self::NoFence => "a node that was replaced can still commit",
        }
    }
}

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Break this on purpose.
    pub mutation: Option<Mutation>,
    /// Keep a readable trace.
    pub trace: bool,
    /// More clients in a hurry, so that they meet.
    pub hurried: bool,
}

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was broken, if anything; in words.
    pub failure: Option<String>,
    /// The hash of everything that happened: the same for every run of the seed.
    pub hash: u64,
    /// The readable trace, if it was asked for.
    pub lines: Vec<String>,
    /// How much virtual time went by.
    pub virtual_time: Duration,
    /// How many calls were judged.
    pub calls: usize,
}

impl Report {
    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// No world lasts longer, in virtual time.
const LIFE_MAX: Duration = Duration::from_secs(3_600);

/// Runs one seed in a world of its own, on this thread.
///
/// # Panics
/// If the operating system gives no thread-local runtime.
pub fn run_seed(seed: u64, settings: Settings) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| panic!("no runtime for a world: {error}"));
    let watched = panics::watch();
    let mut report = runtime.block_on(live(seed, settings));
    drop(runtime);
    if let (Some(panic), None) = (watched.first(), &report.failure) {
        report.failure = Some(format!("the node panicked: {panic}"));
    }
    report
}

/// Runs seeds in real time on a runtime of several threads, `worlds` of them at the same time: the
/// same actors and checkers, and real races. What it finds does not replay.
///
/// The second result holds panics that nobody planned.
///
/// # Panics
/// If the operating system gives no runtime.
pub fn stress(
    seeds: Range<u64>,
    threads: usize,
    worlds: usize,
    settings: Settings,
    each: impl Fn(&Report) + Send + Sync + 'static,
) -> (Vec<Report>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .unwrap_or_else(|error| panic!("no runtime for the worlds: {error}"));
    let each = Arc::new(each);
    panics::everywhere(|| {
        runtime.block_on(async {
            let (mut reports, mut running) = (Vec::new(), tokio::task::JoinSet::new());
            for seed in seeds {
                if running.len() >= worlds {
                    reports.extend(running.join_next().await.and_then(Result::ok));
                }
                let (each, settings) = (each.clone(), Settings { hurried: true, ..settings });
                running.spawn(async move {
                    let report = live(seed, settings).await;
                    each(&report);
                    report
                });
            }
            reports.extend(running.join_all().await);
            reports
        })
    })
}

async fn live(seed: u64, settings: Settings) -> Report {
    let trace = Trace::new(settings.trace);
    let scene = Arc::new(scene(seed, settings, trace.clone()));
    let failure = match timeout(LIFE_MAX, act(&scene, seed)).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(format!("nothing came to an end within {LIFE_MAX:?} of virtual time: something waits for ever")),
    };
    if let Some(up) = scene.host.up() {
        scene.host.crash(&up, crate::world::InFlight::Delayed);
    }
    let calls = scene.records.lock().books.values().map(|book| book.history.operations().len()).sum();
    let virtual_time = scene.clock.elapsed();
    Report { seed, failure, hash: trace.hash(), lines: trace.lines(), virtual_time, calls }
}

fn scene(seed: u64, settings: Settings, trace: Trace) -> Scene {
    let mut plan = Plan::draw(&mut Dice::part(seed, "plan"));
    if settings.hurried {
        plan.hurry();
    }
    if let Some(Mutation::Node(mutant)) = settings.mutation {
        plan.options.mutant = Some(mutant);
    }
    trace.line(format_args!("{plan:?}"));
    let fenced = settings.mutation != Some(Mutation::NoFence);
    let disk = Disk::with_fence(seed, Faults::slow(), trace.clone(), fenced);
    let clock = Arc::new(SimClock::new(seed));
    let host = Host::new(disk.clone(), clock.clone(), trace.clone(), plan.options.clone(), |builder| {
        let builder = builder.register::<Ledger>().register::<Hooked>().register::<Lazy>();
        let builder = builder.register::<Scratch>().register::<Metronome>().register::<Purse>();
        builder.register::<Flash>().register::<Graveyard>()
    });
    Scene {
        plan,
        host,
        disk,
        clock,
        trace,
        records: Mutex::new(Records::default()),
        zombies: Mutex::default(),
        over: CancellationToken::new(),
    }
}

/// The world from its first node to the verdict.
async fn act(scene: &Arc<Scene>, seed: u64) -> Result<(), String> {
    let up = scene.host.start().await;
    let begin = Ask { kind: Metronome::KIND, id: "m", handler: "begin", args: (), timeout_ms: 10_000, key: None };
    scene.ask::<(), _>(0, &up, begin).await;
    drop(up);
    let mut dice = Dice::part(seed, "actors");
    let mut watchers = Vec::new();
    for number in 0..scene.plan.watchers {
        let book = *dice.pick(&Book::ALL);
        let watcher = Watcher::new(scene.clone(), number, book, Dice::new(dice.number()));
        watchers.push(spawn(watcher.live()));
    }
    let clients: Vec<_> = (1..=scene.plan.clients)
        .map(|number| spawn(Client { scene: scene.clone(), number, dice: Dice::new(dice.number()) }.live()))
        .collect();
    let movers: Vec<_> = (1..=2)
        .map(|number| Mover { scene: scene.clone(), number: 100 + number, dice: Dice::new(dice.number()) })
        .map(|mover| spawn(mover.live()))
        .collect();
    let chaos = spawn(chaos::disturb(scene.clone(), Dice::part(seed, "chaos")));
    for task in clients.into_iter().chain(movers).chain([chaos]) {
        task.await.map_err(|error| format!("BUG: an actor of the simulation failed: {error}"))?;
    }
    chaos::heal(scene).await;
    let healed_ms = verdict::wall_ms(scene);
    verdict::converge(scene).await?;
    sleep(Duration::from_millis(100)).await;
    verdict::last_reads(scene).await?;
    // Reading may have brought objects into memory, whose hooks changed them.
    verdict::converge(scene).await?;
    chaos::freeze(scene).await;
    verdict::converge(scene).await?;
    scene.over.cancel();
    for watcher in watchers {
        watcher.await.map_err(|error| format!("BUG: a watcher of the simulation failed: {error}"))?;
    }
    verdict::judge(scene, healed_ms)
}

impl FromStr for Mutation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mutation| mutation.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("there is no mutant {name:?}; there are: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(mutant) => write!(f, "{mutant:?}"),
            Self::NoFence => f.write_str("NoFence"),
        }
    }
}
