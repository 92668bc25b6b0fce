//! The limit for durable calls: bare rusqlite with group commit, writing the same rows.
//!
//! Callers hand their write to one thread; it takes all that wait, writes them in one transaction
//! and answers. It checks nothing and knows every row's place beforehand.

use std::{path::Path, sync::mpsc, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;

const AT: i64 = 1_767_225_600_000;

/// A write and its way back.
struct Request {
    object: usize,
    answer: oneshot::Sender<i64>,
}

/// A handle to the writing thread.
#[derive(Clone)]
pub(crate) struct Bare(mpsc::Sender<Request>);

impl Bare {
    /// Opens a database with the tables of the SQLite store and fills it with `objects` rows.
    pub(crate) fn open(path: &Path, objects: usize) -> Self {
        drop(
            abide::store::SqliteStore::open(path, abide::store::SqliteOptions::default()).expect("the tables are made"),
        );
        let conn = Connection::open(path).expect("opened");
        let options = abide::store::SqliteOptions::default();
        conn.execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = {}",
            options.cache_bytes / 1_024,
            options.checkpoint_pages
        ))
        .expect("tuned");
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || write(&conn, &rx, objects));
        Self(tx)
    }

    /// Adds one to an object's count; answers when it is durable.
    pub(crate) async fn increment(&self, object: usize) -> i64 {
        let (answer, result) = oneshot::channel();
        self.0.send(Request { object, answer }).expect("the writer runs");
        result.await.expect("the writer answers")
    }
}

fn write(conn: &Connection, requests: &mpsc::Receiver<Request>, objects: usize) {
    let prepare = |sql| conn.prepare(sql).expect("prepared");
    let mut insert = prepare("INSERT INTO objects VALUES (?, 'default', 'Counter', ?, ?, 1, 0, ?, 1, 1, ?, ?, 1, ?)");
    let mut update = prepare(
        "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
         updated_at = ?7, version = ?8, created_at = ?9, state = ?10 WHERE oid = ?1",
    );
    let mut log = prepare("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, ?, ?)");
    let mut heads = vec![1i64; objects];
    let mut places: Vec<i64> = (1..=objects as i64).collect();
    let mut pos = objects as i64;
    conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
    for object in 0..objects {
        let oid = object as i64 + 1;
        insert.execute((oid, object.to_string(), 7, oid, AT, AT, state(1))).expect("inserted");
        log.execute((oid, oid, 1, 0, AT, change(1))).expect("inserted");
    }
    conn.execute_batch("COMMIT").expect("committed");
    while let Ok(first) = requests.recv() {
        let mut batch = vec![first];
        batch.extend(requests.try_iter().take(4_095));
        conn.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for request in &batch {
            let object = request.object;
            let (oid, seq) = (object as i64 + 1, heads[object] + 1);
            pos += 1;
            update.execute((oid, seq, 0, pos, 1, seq, AT, 1, AT, state(seq))).expect("updated");
            log.execute((pos, oid, seq, places[object], AT, change(seq))).expect("inserted");
            heads[object] = seq;
            places[object] = pos;
        }
        conn.execute_batch("COMMIT").expect("committed");
        for request in batch {
            let _ = request.answer.send(heads[request.object]);
        }
    }
}

fn state(seq: i64) -> String {
    format!(r#"{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z"}}"#)
}

fn change(seq: i64) -> String {
    format!(
        r#"{{"seq":{seq},"at":"2026-01-02T03:04:05.678Z","patch":{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z"}},"cause":{{"handler":"increment"}}}}"#
    )
}
