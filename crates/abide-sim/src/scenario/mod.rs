//! One seed: a world with clients, watchers and disturbances, judged at its end.

mod chaos;
mod client;
mod client_effects;
mod errands;
mod failure;
mod feed;
mod goners;
pub(crate) mod kinds;
mod mover;
mod mutation;
pub(crate) mod notes;
mod panics;
mod plan;
pub(crate) mod records;
mod rest;
mod rings;
mod scene;
mod verdict;
mod watcher;

use std::{ops::Range, sync::Arc, time::Duration};

use abide_node::Object;
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
pub use self::{failure::Failure, mutation::Mutation};
use crate::{
    check::{Finding, Promise},
    dice::Dice,
    world::{Disk, Faults, Host, SimClock, Trace, spawn},
};

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
    /// What went wrong, if anything.
    pub failures: Vec<Failure>,
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
        self.failures.is_empty()
    }

    /// What went wrong, in words; empty if nothing did.
    pub fn failure(&self) -> String {
        self.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// What the promise's own checker found, if it found the promise broken.
    pub fn proof_of(&self, promise: Promise) -> Option<&Finding> {
        self.failures.iter().find_map(|failure| failure.proof_of(promise))
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
    report.failures.extend(watched.first().map(|panic| Failure::Odd(format!("the node panicked: {panic}"))));
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
    let failures = match timeout(LIFE_MAX, act(&scene, seed)).await {
        Ok(Ok(failures)) => failures,
        Ok(Err(failure)) => vec![Failure::Odd(failure)],
        Err(_) => {
            let what = "something waits for ever";
            vec![Failure::Odd(format!("nothing came to an end within {LIFE_MAX:?} of virtual time: {what}"))]
        }
    };
    if let Some(up) = scene.host.up() {
        scene.host.crash(&up, crate::world::InFlight::Delayed);
    }
    let calls = scene.records.lock().books.values().map(|book| book.history.operations().len()).sum();
    let virtual_time = scene.clock.elapsed();
    Report { seed, failures, hash: trace.hash(), lines: trace.lines(), virtual_time, calls }
}

fn scene(seed: u64, settings: Settings, trace: Trace) -> Scene {
    let mut plan = Plan::draw(&mut Dice::part(seed, "plan"));
    if settings.hurried {
        plan.hurry();
    }
    match settings.mutation {
        Some(Mutation::Node(mutant)) => plan.options.mutant = Some(mutant),
        Some(Mutation::NoFence) => plan.replace_nodes(),
        None => {}
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

/// The world from its first node to the verdict. Where it does not even come to rest, there is nothing to judge.
async fn act(scene: &Arc<Scene>, seed: u64) -> Result<Vec<Failure>, String> {
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
    let healed_ms = rings::wall_ms(scene);
    rest::converge(scene).await?;
    sleep(Duration::from_millis(100)).await;
    rest::last_reads(scene).await?;
    // Reading may have brought objects into memory, whose hooks changed them.
    rest::converge(scene).await?;
    chaos::freeze(scene).await;
    rest::converge(scene).await?;
    scene.over.cancel();
    for watcher in watchers {
        watcher.await.map_err(|error| format!("BUG: a watcher of the simulation failed: {error}"))?;
    }
    verdict::judge(scene, healed_ms)
}
