//! One object with very many watchers: from a call to the last watcher that has heard of it.

mod events;
mod in_process;
mod publish;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

pub(crate) use publish::Publish;

use crate::{
    child::{Child, Role, processor_seconds},
    load::{Latency, Measured},
    plan::Plan,
    report::{Field, Rounds, Section, Spread, count},
};

/// A call every so often: calls must not wait for the watchers of the one before.
const EVERY: Duration = Duration::from_millis(50);
/// How long the last watcher may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Publisher {
    /// A commit in bare rusqlite, then a Tokio broadcast.
    Bare,
    Abide,
}

const PUBLISHERS: [Publisher; 2] = [Publisher::Bare, Publisher::Abide];

/// How the watchers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Events,
    Sockets,
}

/// One round: how long each call took to reach the last watcher, and what an event cost.
pub(crate) struct Told {
    measured: Measured,
    micros_an_event: f64,
}

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = format!(
        "one object with {} watchers, a durable call every {} ms: from the call to the last watcher, commit included, \
         against a commit in bare rusqlite and a tokio broadcast",
        count(plan.watchers as f64),
        EVERY.as_millis()
    );
    let columns = [
        "watchers",
        "bare p50/p99 µs",
        "abide p50/p99 µs",
        "p50, times bare",
        "bare CPU µs an event",
        "abide CPU µs an event",
    ];
    let mut section = Section::new("fanout", title, &columns);
    plan.expect(plan.rounds * 5);
    let (mut here, mut events, mut sockets) = (Sides::default(), Sides::default(), Sides::default());
    for _ in 0..plan.rounds {
        for publisher in PUBLISHERS {
            plan.step(format!("fanout: in process, {publisher:?}"));
            here.push(publisher, in_process::run(publisher, plan).await?);
            plan.step(format!("fanout: server-sent events, {publisher:?}"));
            events.push(publisher, tokio::task::block_in_place(|| over_http(publisher, Over::Events, plan))?);
        }
        plan.step("fanout: WebSocket");
        let told = tokio::task::block_in_place(|| over_http(Publisher::Abide, Over::Sockets, plan))?;
        sockets.push(Publisher::Abide, told);
    }
    section.row(here.row("in process"));
    let (bare, processor) = (events.latency[0].clone(), events.processor[0].clone());
    section.row(events.row("server-sent events"));
    (sockets.latency[0], sockets.processor[0]) = (bare, processor);
    section.row(sockets.row("WebSocket (bare: events)"));
    Ok(section)
}

/// The rounds of both publishers.
#[derive(Default)]
struct Sides {
    latency: [Rounds; 2],
    processor: [Vec<f64>; 2],
}

impl Sides {
    fn push(&mut self, publisher: Publisher, told: Told) {
        let side = usize::from(publisher == Publisher::Abide);
        self.latency[side].push(told.measured);
        self.processor[side].push(told.micros_an_event);
    }

    fn row(self, name: &str) -> Vec<Field> {
        let [bare, abide] = self.latency;
        let [bare_processor, abide_processor] = self.processor.map(|micros| Field::number(Spread::of(micros), 1));
        vec![
            Field::label(name),
            bare.latency(0),
            abide.latency(0),
            Field::ratio(Spread::ratio(&abide.micros(50.0), &bare.micros(50.0))),
            bare_processor,
            abide_processor,
        ]
    }
}

/// The publisher is a process of its own; all watchers are one thread of this one.
fn over_http(publisher: Publisher, over: Over, plan: &Plan) -> anyhow::Result<Told> {
    let folder = plan.folder()?;
    let times = plan.times();
    let role = Role::Publish(Publish { publisher, times, every: EVERY, folder: folder.path().into() });
    let mut child = Child::start(&role)?;
    let address: SocketAddr = child.hear()?;
    let heard = Heard::new();
    let _watchers = events::Watchers::connect(address, over, plan.watchers, heard.clone())?;
    let used = processor_seconds(child.id());
    child.tell()?;
    let calls: Vec<(u64, u64)> = child.hear()?;
    heard.wait(&calls, plan.watchers)?;
    let used = processor_seconds(child.id()) - used;
    heard.told(&calls, used, plan.watchers)
}

impl Plan {
    /// How often a round calls.
    fn times(&self) -> usize {
        ((self.seconds.as_secs_f64() / EVERY.as_secs_f64()) as usize).max(10)
    }
}

/// For each seq, how many watchers have heard of it and when the last one did.
#[derive(Clone)]
pub(crate) struct Heard(Arc<[(AtomicU64, AtomicU64)]>);

const SEQS_MAX: usize = 65_536;

impl Heard {
    fn new() -> Self {
        Self((0..SEQS_MAX).map(|_| Default::default()).collect())
    }

    /// A watcher heard of `seq`, now.
    pub(crate) fn note(&self, seq: u64) {
        if let Some((count, last)) = self.0.get(seq as usize) {
            last.fetch_max(now_ns(), Ordering::Relaxed);
            count.fetch_add(1, Ordering::Release);
        }
    }

    fn wait(&self, calls: &[(u64, u64)], watchers: usize) -> anyhow::Result<()> {
        let patience = SystemTime::now() + PATIENCE;
        let everybody = |(seq, _): &(u64, u64)| self.0[*seq as usize].0.load(Ordering::Acquire) == watchers as u64;
        while !calls.iter().all(everybody) {
            anyhow::ensure!(SystemTime::now() < patience, "a watcher did not hear everything, or heard it twice");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn told(&self, calls: &[(u64, u64)], processor: f64, watchers: usize) -> anyhow::Result<Told> {
        let mut latency = Latency::new();
        for (seq, at) in calls {
            let last = self.0[*seq as usize].1.load(Ordering::Acquire);
            latency.note(Duration::from_nanos(last.saturating_sub(*at)));
        }
        let events = (calls.len() * watchers) as f64;
        let elapsed = EVERY * u32::try_from(calls.len())?;
        Ok(Told { measured: latency.over(elapsed), micros_an_event: processor / events * 1e6 })
    }
}

/// The time by the clock that all processes of this machine share.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
