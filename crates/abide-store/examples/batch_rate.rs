//! How many commits a second the SQLite store makes durable, beside bare rusqlite writing the same rows.
//!
//! `cargo run --release -p abide-store --example batch_rate [-- seconds-per-cell [folder [batch]]]`
//!
//! Each commit puts a new state of one of 10,000 objects and one change of it. The bare program knows
//! every row's place beforehand, checks nothing, and does one transaction for each batch, as the store
//! must when one batch at a time is given to it. `pipelined` keeps four batches on their way.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use abide_core::{
    ChangeRecord, Epoch, Incarnation, Json, Key, Seq, Store, Timestamp,
    port::store::{Commit, Committed, Write},
};
use abide_store::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

const OBJECTS: usize = 10_000;
const BATCHES: [usize; 5] = [1, 16, 64, 256, 1_024];
const AT: i64 = 1_767_225_600_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let seconds: f64 = args.next().map_or(2.0, |s| s.parse().expect("seconds"));
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let only: Option<usize> = args.next().map(|batch| batch.parse().expect("a batch size"));
    let time = Duration::from_secs_f64(seconds);
    println!("{:>6} {:>12} {:>12} {:>7} {:>12} {:>7}", "batch", "bare", "store", "ratio", "pipelined", "ratio");
    for batch in BATCHES.into_iter().filter(|batch| only.is_none_or(|only| only == *batch)) {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..3 {
            rates[0].push(bare(&folder, batch, time));
            rates[1].push(store(&folder, batch, 1, time).await);
            rates[2].push(store(&folder, batch, 4, time).await);
        }
        let [bare, store, pipelined] = rates.map(median);
        println!(
            "{batch:>6} {bare:>10.0}/s {store:>10.0}/s {:>7.2} {pipelined:>10.0}/s {:>7.2}",
            store / bare,
            pipelined / bare
        );
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A cheap walk over the objects that looks random.
struct Walk(u64);

impl Walk {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 33) as usize) % OBJECTS
    }
}

fn id(object: usize) -> String {
    format!("user-{object:08}")
}

fn state(seq: u64) -> String {
    format!(r#"{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z","owner":"alice"}}"#)
}

fn change(seq: u64) -> String {
    format!(
        r#"{{"seq":{seq},"at":"2026-01-02T03:04:05.678Z","patch":{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z"}},"cause":{{"handler":"increment"}}}}"#
    )
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("abide-batch-rate-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// Commits a second through the store, with `ahead` batches on their way at once.
async fn store(folder: &Path, batch: usize, ahead: usize, time: Duration) -> f64 {
    let folder = fresh(folder, "store");
    let store = SqliteStore::open(folder.join("abide.db"), SqliteOptions::default());
    let store = store.expect("the store opens");
    let epochs = store.claim().await.expect("claimed");
    let key = |object| Key::parse("default", "Counter", &id(object)).expect("a key");
    let keys: Vec<Key> = (0..OBJECTS).map(key).collect();
    let mut heads = vec![0u64; OBJECTS];
    let mut commit = |object: usize| {
        let seq = heads[object] + 1;
        heads[object] = seq;
        let shard = keys[object].shard(store.shards());
        Commit {
            key: keys[object].clone(),
            shard,
            epoch: epochs.get(shard.number() as usize).copied().unwrap_or(Epoch::ZERO),
            id: seq,
            group: None,
            expected: Seq::new(seq - 1),
            incarnation: Incarnation::new(1),
            write: Write::Put {
                state: Json::trusted(state(seq)),
                version: 1,
                created_at: Timestamp::from_millis(AT),
                updated_at: Timestamp::from_millis(AT),
            },
            changes: vec![ChangeRecord {
                seq: Seq::new(seq),
                at: Timestamp::from_millis(AT),
                json: Json::trusted(change(seq)),
                snapshot: None,
            }],
            keep_changes: true,
            trim: None,
            alarms: Vec::new(),
            outbox: Vec::new(),
            received: Vec::new(),
            outcomes: Vec::new(),
            taken: Default::default(),
        }
    };
    let all = (0..OBJECTS).map(&mut commit).collect();
    store.commit(all).await.expect("committed");

    let (mut walk, mut done) = (Walk(1), 0);
    let mut on_their_way = VecDeque::new();
    let start = Instant::now();
    while start.elapsed() < time {
        on_their_way.push_back(store.commit((0..batch).map(|_| commit(walk.next())).collect()));
        if on_their_way.len() == ahead {
            let answers = on_their_way.pop_front().expect("one is on its way").await;
            let answers = answers.expect("committed");
            assert!(answers.iter().all(|answer| *answer == Committed::Done));
            done += batch;
        }
    }
    for rest in on_their_way {
        done += rest.await.expect("committed").len();
    }
    let rate = done as f64 / start.elapsed().as_secs_f64();
    drop(store);
    std::fs::remove_dir_all(folder).expect("removed");
    rate
}

/// Commits a second of the same rows in the same tables by hand.
fn bare(folder: &Path, batch: usize, time: Duration) -> f64 {
    let folder = fresh(folder, "bare");
    let path = folder.join("abide.db");
    drop(SqliteStore::open(&path, SqliteOptions::default()).expect("the tables are made"));
    let conn = Connection::open(&path).expect("opened");
    let options = SqliteOptions::default();
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;
         PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = {}",
        options.cache_bytes / 1_024,
        options.checkpoint_pages
    ))
    .expect("tuned");
    let mut insert = conn
        .prepare("INSERT INTO objects VALUES (?, 'default', 'Counter', ?, ?, 1, 0, ?, 1, 1, ?, ?, 1, ?)")
        .expect("prepared");
    let mut update = conn
        .prepare(
            "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
             updated_at = ?7, version = ?8, created_at = ?9, state = ?10 WHERE oid = ?1",
        )
        .expect("prepared");
    let mut log =
        conn.prepare("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, ?, ?)").expect("prepared");
    let mut heads = vec![1i64; OBJECTS];
    let mut places: Vec<i64> = (1..=OBJECTS as i64).collect();
    let mut pos = OBJECTS as i64;
    conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
    for object in 0..OBJECTS {
        let oid = object as i64 + 1;
        insert.execute((oid, id(object), 7, oid, AT, AT, state(1))).expect("inserted");
        log.execute((oid, oid, 1, 0, AT, change(1))).expect("inserted");
    }
    conn.execute_batch("COMMIT").expect("committed");

    let (mut walk, mut done) = (Walk(1), 0);
    let start = Instant::now();
    while start.elapsed() < time {
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for _ in 0..batch {
            let object = walk.next();
            let (oid, seq) = (object as i64 + 1, heads[object] + 1);
            pos += 1;
            heads[object] = seq;
            let state = state(seq.unsigned_abs());
            update.execute((oid, seq, 0, pos, 1, seq, AT, 1, AT, state)).expect("updated");
            let change = change(seq.unsigned_abs());
            log.execute((pos, oid, seq, places[object], AT, change)).expect("inserted");
            places[object] = pos;
        }
        conn.execute_batch("COMMIT").expect("committed");
        done += batch;
    }
    let rate = done as f64 / start.elapsed().as_secs_f64();
    drop((insert, update, log));
    drop(conn);
    std::fs::remove_dir_all(folder).expect("removed");
    rate
}
