//! What an idle object takes in memory, beside idle tasks and actors.
//!
//! Each is weighed in a process of its own: the resident set after some of them are there is the zero,
//! so that what every process has once is not counted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use abide::{
    prelude::*,
    store::{SqliteOptions, SqliteStore},
};
use kameo::actor::Spawn;

use crate::{
    actors::{Kameo, Ractor, Task},
    child::{self, Child, Role},
    kinds::Counter,
    plan::Plan,
    report::{Field, Section, Spread, count},
    stored::{Stored, state_bytes},
};

const PAGE_BYTES: usize = 4_096;
const ACTORS: usize = 100_000;
/// So many come into memory before they may hibernate.
const TOGETHER: usize = 50_000;

/// So many of something, to be weighed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Weigh {
    what: What,
    objects: usize,
    database: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    /// Objects that have been called, decoded.
    Awake,
    /// The same, hibernated.
    Asleep,
    Task,
    Kameo,
    Ractor,
}

pub(crate) async fn run(plan: &Plan, stored: &Stored) -> anyhow::Result<Section> {
    let title = format!("bytes an idle object takes; its encoded state has {} bytes", state_bytes());
    let columns = ["what", "at once", "bytes each", "without state"];
    let mut section = Section::new("memory", title, &columns);
    let all = [
        (What::Asleep, "durable object, hibernated", stored.objects),
        (What::Awake, "durable object, decoded", stored.objects),
        (What::Task, "parked tokio task with its channel", ACTORS),
        (What::Kameo, "kameo actor", ACTORS),
        (What::Ractor, "ractor actor", ACTORS),
    ];
    plan.expect(all.len() * plan.rounds);
    for (what, name, objects) in all {
        let mut bytes = Vec::new();
        for _ in 0..plan.rounds {
            plan.step(format!("memory: {name}"));
            let role = Role::Weigh(Weigh { what, objects, database: stored.path() });
            bytes.push(tokio::task::block_in_place(|| Child::start(&role)?.hear::<f64>())?);
        }
        let state = if matches!(what, What::Asleep | What::Awake) { state_bytes() as f64 } else { 0.0 };
        let bare = Spread::of(bytes.iter().map(|bytes| bytes - state));
        let each = Field::count(Spread::of(bytes));
        section.row([Field::label(name), Field::label(count(objects as f64)), each, Field::count(bare)]);
    }
    Ok(section)
}

impl Weigh {
    /// Says how many bytes each of them takes.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let first = self.objects / 100;
        match self.what {
            What::Asleep | What::Awake => self.abide(first).await,
            What::Task => {
                let mut tasks: Vec<Task> = (0..first).map(|_| Task::spawn()).collect();
                tasks.reserve_exact(self.objects);
                let before = resident();
                tasks.extend((first..self.objects).map(|_| Task::spawn()));
                self.say(before, first).await
            }
            What::Kameo => {
                let mut actors: Vec<_> = (0..first).map(|_| Kameo::spawn(Kameo::default())).collect();
                actors.reserve_exact(self.objects);
                let before = resident();
                actors.extend((first..self.objects).map(|_| Kameo::spawn(Kameo::default())));
                self.say(before, first).await
            }
            What::Ractor => {
                let mut actors = Vec::with_capacity(self.objects);
                let mut before = 0;
                for object in 0..self.objects {
                    if object == first {
                        before = resident();
                    }
                    let spawned = ractor::Actor::spawn(None, Ractor, ()).await;
                    actors.push(spawned.map_err(|error| anyhow::anyhow!("{error}"))?.0);
                }
                self.say(before, first).await
            }
        }
    }

    /// Brings every stored object into memory by a call, some at a time, as callers would. The store's own
    /// caches are small, so that they are not taken for objects.
    async fn abide(self, first: usize) -> anyhow::Result<()> {
        let options = SqliteOptions { cache_bytes: 4 << 20, ..SqliteOptions::default() };
        let store = SqliteStore::open(&self.database, options)?;
        let abide = Abide::over(Arc::new(store)).register::<Counter>().start().await?;
        self.bring(&abide, 0..first).await?;
        let before = resident();
        for from in (first..self.objects).step_by(TOGETHER) {
            self.bring(&abide, from..(from + TOGETHER).min(self.objects)).await?;
        }
        anyhow::ensure!(abide.objects_in_memory() == self.objects, "an object is not in memory");
        self.say(before, first).await
    }

    async fn bring(&self, abide: &Abide, ids: std::ops::Range<usize>) -> anyhow::Result<()> {
        read(abide, ids).await?;
        if self.what == What::Asleep {
            abide.hibernate_all();
        }
        Ok(())
    }

    async fn say(&self, before: usize, first: usize) -> anyhow::Result<()> {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bytes = resident().saturating_sub(before);
        child::say(&(bytes as f64 / (self.objects - first) as f64))
    }
}

async fn read(abide: &Abide, ids: std::ops::Range<usize>) -> anyhow::Result<()> {
    const CALLERS: usize = 64;
    let calls: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (abide, ids) = (abide.clone(), ids.clone());
            tokio::spawn(async move {
                for id in ids.skip(caller).step_by(CALLERS) {
                    abide.object::<Counter>(&id.to_string()).read().await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for call in calls {
        call.await??;
    }
    Ok(())
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    resident_of("self")
}

/// Bytes of a process that are in memory.
pub(crate) fn resident_of(process: &str) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * PAGE_BYTES
}
