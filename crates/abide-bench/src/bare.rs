//! The limit for durable calls: bare rusqlite with group commit, writing the same rows.
//!
//! Callers hand their write to one thread; it takes all that wait, writes them in one transaction
//! and answers. It checks nothing and knows every row's place beforehand.

use std::{path::Path, sync::mpsc, thread};

use abide::store::{SqliteOptions, SqliteStore};
use rusqlite::{Connection, Statement};
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
        let conn = connect(path);
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

/// A connection to a database with the tables of the SQLite store, tuned as the store's own.
pub(crate) fn connect(path: &Path) -> Connection {
    let options = SqliteOptions::default();
    drop(SqliteStore::open(path, options.clone()).expect("the tables are made"));
    let conn = Connection::open(path).expect("opened");
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = {}",
        options.cache_bytes / 1_024,
        options.checkpoint_pages
    ))
    .expect("tuned");
    conn
}

fn write(conn: &Connection, requests: &mpsc::Receiver<Request>, objects: usize) {
    let mut rows = Rows::fill(conn, objects);
    while let Ok(first) = requests.recv() {
        let mut batch = vec![first];
        batch.extend(requests.try_iter().take(4_095));
        rows.commit(batch.iter().map(|request| request.object));
        for request in batch {
            let _ = request.answer.send(rows.heads[request.object]);
        }
    }
}

/// Rows of counters, and all that must be known to write them without looking.
pub(crate) struct Rows<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    update: Statement<'c>,
    log: Statement<'c>,
    heads: Vec<i64>,
    places: Vec<i64>,
    pos: i64,
}

impl<'c> Rows<'c> {
    /// Fills an empty database with `objects` rows.
    pub(crate) fn fill(conn: &'c Connection, objects: usize) -> Self {
        let prepare = |sql| conn.prepare(sql).expect("prepared");
        let mut insert =
            prepare("INSERT INTO objects VALUES (?, 'default', 'Counter', ?, ?, 1, 0, ?, 1, 1, ?, ?, 1, ?)");
        let mut rows = Self {
            begin: prepare("BEGIN IMMEDIATE"),
            commit: prepare("COMMIT"),
            update: prepare(
                "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
                 updated_at = ?7, version = ?8, created_at = ?9, state = ?10 WHERE oid = ?1",
            ),
            log: prepare("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, ?, ?)"),
            heads: vec![1; objects],
            places: (1..=objects as i64).collect(),
            pos: objects as i64,
        };
        rows.begin.execute([]).expect("begun");
        for object in 0..objects {
            let oid = object as i64 + 1;
            insert.execute((oid, object.to_string(), 7, oid, AT, AT, state(1))).expect("inserted");
            rows.log.execute((oid, oid, 1, 0, AT, change(1))).expect("inserted");
        }
        rows.commit.execute([]).expect("committed");
        rows
    }

    /// Adds one to each object's count, in one transaction.
    pub(crate) fn commit(&mut self, objects: impl Iterator<Item = usize>) {
        self.begin.execute([]).expect("begun");
        for object in objects {
            let (oid, seq) = (object as i64 + 1, self.heads[object] + 1);
            self.pos += 1;
            self.update.execute((oid, seq, 0, self.pos, 1, seq, AT, 1, AT, state(seq))).expect("updated");
            self.log.execute((self.pos, oid, seq, self.places[object], AT, change(seq))).expect("inserted");
            self.heads[object] = seq;
            self.places[object] = self.pos;
        }
        self.commit.execute([]).expect("committed");
    }
}

pub(crate) fn state(seq: i64) -> String {
    format!(r#"{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z"}}"#)
}

pub(crate) fn change(seq: i64) -> String {
    format!(
        r#"{{"seq":{seq},"at":"2026-01-02T03:04:05.678Z","patch":{{"count":{seq},"last_incremented_at":"2026-01-02T03:04:05.678Z"}},"cause":{{"handler":"increment"}}}}"#
    )
}
