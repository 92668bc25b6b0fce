//! Backups, restores and copies of a store with very many objects: how fast, and in how much memory.

use std::{path::PathBuf, time::Instant};

use abide::store::transfer::{back_up, copy, restore};
use abide_services::Postgres;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    child::{Child, Role, say},
    plan::Plan,
    report::{Field, Section, Spread},
    stored::{Stored, url},
};

/// What each way should reach at least, in objects a second.
const REACH: f64 = 50_000.0;

/// One way of everything in a store, in a process of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Move {
    /// From a store into a file.
    BackUp { from: String, to: PathBuf },
    /// Out of a file into a store.
    Restore { from: PathBuf, to: String },
    /// From a store into another.
    Copy { from: String, to: String },
}

/// What it came to.
#[derive(Debug, Serialize, Deserialize)]
struct Moved {
    objects: u64,
    seconds: f64,
    /// The most memory that the process had.
    peak_bytes: f64,
}

impl Move {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let before = Instant::now();
        let tally = match self {
            Self::BackUp { from, to } => {
                let store = abide::store::open_existing(&from).await?;
                back_up(&*store, &to, true, |_| {}).await?.tally
            }
            Self::Restore { from, to } => {
                let store = abide::store::open(&to).await?;
                let restored = restore(&from, &*store, true, |_| {}).await?;
                store.close().await;
                restored.tally
            }
            Self::Copy { from, to } => {
                let (from, to) = (abide::store::open_existing(&from).await?, abide::store::open(&to).await?);
                let copied = copy(&*from, &*to, true, |_| {}).await?;
                to.close().await;
                copied.tally
            }
        };
        say(&Moved { objects: tally.objects, seconds: before.elapsed().as_secs_f64(), peak_bytes: peak_bytes() })
    }
}

/// The most memory that this process has had so far.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1_024.0
}

pub(crate) async fn run(plan: &Plan, stored: &Stored) -> anyhow::Result<Section> {
    let title = format!(
        "{} objects with a change each: objects a second, of the 50,000 to be reached, and the most memory of the \
         process that moves them; a restore first checks the whole file",
        stored.objects
    );
    let mut section = Section::new("moving", title, &["way", "objects/s", "of 50,000/s", "peak MiB"]);
    let ways = ["SQLite → file", "file → SQLite", "file → PostgreSQL", "SQLite → PostgreSQL", "PostgreSQL → file"];
    plan.expect(ways.len() * plan.moves);
    let mut rounds: Vec<Vec<Moved>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.moves {
        let (folder, server) = (plan.folder()?, Postgres::start()?);
        for ((way, move_), moved) in ways.iter().zip(moves(stored, &folder, &server)).zip(&mut rounds) {
            plan.step(format!("moving: {way}"));
            moved.push(tokio::task::block_in_place(|| Child::start(&Role::Move(move_))?.hear())?);
        }
    }
    for (way, moved) in ways.iter().zip(rounds) {
        let rates = || moved.iter().map(|moved| moved.objects as f64 / moved.seconds);
        section.row([
            Field::label(*way),
            Field::count(Spread::of(rates())),
            Field::ratio(Spread::of(rates().map(|rate| rate / REACH))),
            Field::count(Spread::of(moved.iter().map(|moved| moved.peak_bytes / f64::from(1 << 20)))),
        ]);
    }
    Ok(section)
}

fn moves(stored: &Stored, folder: &TempDir, server: &Postgres) -> [Move; 5] {
    let (file, other) = (folder.path().join("backup"), folder.path().join("restored.db"));
    let (from, postgres) = (stored.url(), server.url());
    [
        Move::BackUp { from: from.clone(), to: file.clone() },
        Move::Restore { from: file, to: url(&other) },
        Move::Restore { from: folder.path().join("backup"), to: postgres.clone() },
        Move::Copy { from, to: postgres.clone() },
        Move::BackUp { from: postgres, to: folder.path().join("again") },
    ]
}
