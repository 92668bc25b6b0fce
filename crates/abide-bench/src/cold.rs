//! The first call on an object that is stored and not in memory.

use std::{path::Path, time::Instant};

use abide::prelude::*;
use rusqlite::{Connection, Statement};

use crate::{
    bare::{change, connect, state},
    kinds::Counter,
    load::{Latency, Measured, Walk},
    plan::Plan,
    report::{Field, Rounds, Section, Spread, count},
    stored::Stored,
};

pub(crate) async fn run(plan: &Plan, stored: &Stored) -> anyhow::Result<Section> {
    let title = format!(
        "one caller, first durable call on each of {} stored objects in random order, against one SQLite read and one \
         commit on the caller's own thread",
        count(stored.objects as f64)
    );
    let columns = ["", "bare/s", "abide/s", "bare p50/p99 µs", "abide p50/p99 µs", "p50, times bare"];
    let mut section = Section::new("cold", title, &columns);
    plan.expect(2 * plan.rounds);
    let (mut limit, mut ours) = (Rounds::default(), Rounds::default());
    for round in 0..plan.rounds {
        plan.step("cold: bare reads and commits");
        limit.push(tokio::task::block_in_place(|| bare(&stored.path(), stored.objects, 2 * round, plan))?);
        plan.step("cold: calls");
        ours.push(abide(stored, 2 * round + 1, plan).await?);
    }
    section.row([
        Field::label("cold call"),
        limit.rate(),
        ours.rate(),
        limit.latency(0),
        ours.latency(0),
        Field::ratio(Spread::ratio(&ours.micros(50.0), &limit.micros(50.0))),
    ]);
    Ok(section)
}

async fn abide(stored: &Stored, walk: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let abide = Abide::open(stored.url()).register::<Counter>().start().await?;
    let (seconds, objects) = (plan.seconds, stored.objects);
    let node = abide.clone();
    let calls = tokio::spawn(async move {
        let mut latency = Latency::new();
        let mut walk = Walk::new(walk, objects);
        let start = Instant::now();
        while start.elapsed() < seconds {
            let id = walk.next().to_string();
            let before = Instant::now();
            node.object::<Counter>(&id).increment(1).await?;
            latency.note(before.elapsed());
        }
        anyhow::Ok(latency.over(start.elapsed()))
    });
    let measured = calls.await??;
    abide.shutdown().await?;
    Ok(measured)
}

fn bare(path: &Path, objects: usize, walk: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let conn = connect(path);
    let mut cold = Cold::over(&conn)?;
    let mut latency = Latency::new();
    let mut walk = Walk::new(walk, objects);
    let start = Instant::now();
    while start.elapsed() < plan.seconds {
        let id = walk.next().to_string();
        let before = Instant::now();
        cold.increment(&id)?;
        latency.note(before.elapsed());
    }
    Ok(latency.over(start.elapsed()))
}

/// One read, one commit.
struct Cold<'c> {
    find: Statement<'c>,
    begin: Statement<'c>,
    update: Statement<'c>,
    log: Statement<'c>,
    commit: Statement<'c>,
    pos: i64,
}

impl<'c> Cold<'c> {
    fn over(conn: &'c Connection) -> anyhow::Result<Self> {
        Ok(Self {
            find: conn.prepare(
                "SELECT oid, head, floor, pos, incarnation, version, created_at, state FROM objects
                 WHERE namespace = 'default' AND kind = 'Counter' AND id = ?",
            )?,
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            update: conn.prepare(
                "UPDATE objects SET head = ?2, floor = ?3, pos = ?4, incarnation = ?5, commit_id = ?6,
                 updated_at = ?7, version = ?8, created_at = ?9, state = ?10 WHERE oid = ?1",
            )?,
            log: conn.prepare("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, ?, ?)")?,
            commit: conn.prepare("COMMIT")?,
            pos: conn.query_row("SELECT max(pos) FROM log", [], |row| row.get(0))?,
        })
    }

    fn increment(&mut self, id: &str) -> rusqlite::Result<()> {
        type Row = (i64, i64, i64, i64, i64, i64, i64, String);
        let row = self.find.query_row([id], |row| Row::try_from(row));
        let (oid, head, floor, prev, incarnation, version, created_at, _state) = row?;
        let seq = head + 1;
        self.pos += 1;
        self.begin.execute([])?;
        let put = (oid, seq, floor, self.pos, incarnation, seq, created_at, version, created_at, state(seq));
        self.update.execute(put)?;
        self.log.execute((self.pos, oid, seq, prev, created_at, change(seq)))?;
        self.commit.execute([])?;
        Ok(())
    }
}
