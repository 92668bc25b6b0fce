//! Very many alarms that are due at once, as after an outage.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use abide::{Clock, Namespace, SystemClock, port::store::AlarmsQuery, prelude::*};
use rusqlite::Connection;

use crate::{
    bare::{change, connect},
    child::processor_seconds,
    kinds::{RUNG, Sleeper},
    plan::Plan,
    report::{Field, Section, Spread, count},
    stored::url,
};

const DELAY: Duration = Duration::from_secs(60 * 60);

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = "alarms that are due at once when the node starts, until the last one's effect is durable, against one \
                 thread of bare rusqlite that writes the same rows, 1,024 alarms a transaction";
    let columns = ["alarms", "bare s", "bare/s", "abide s", "abide/s", "of bare", "abide CPU µs an alarm"];
    let mut section = Section::new("alarms", title, &columns);
    plan.expect(1 + 2 * plan.rounds);
    plan.step(format!("alarms: setting {}", plan.alarms));
    let folder = plan.folder()?;
    let set = folder.path().join("set.db");
    set_all(&set, plan.alarms).await?;
    let alarms = plan.alarms as f64;
    let (mut limit, mut ours, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let path = folder.path().join("due.db");
        plan.step("alarms: bare rusqlite");
        std::fs::copy(&set, &path)?;
        limit.push(tokio::task::block_in_place(|| bare(&path))?);
        clear(&path)?;
        plan.step("alarms: abide");
        std::fs::copy(&set, &path)?;
        let used = processor_seconds(std::process::id());
        ours.push(fire_all(&path, plan.alarms).await?);
        processor.push((processor_seconds(std::process::id()) - used) / alarms * 1e6);
        clear(&path)?;
    }
    let rate = |seconds: &[f64]| seconds.iter().map(|seconds| alarms / seconds).collect::<Vec<_>>();
    section.row([
        Field::label(count(alarms)),
        Field::number(Spread::of(limit.clone()), 2),
        Field::count(Spread::of(rate(&limit))),
        Field::number(Spread::of(ours.clone()), 2),
        Field::count(Spread::of(rate(&ours))),
        Field::ratio(Spread::ratio(&rate(&ours), &rate(&limit))),
        Field::number(Spread::of(processor), 1),
    ]);
    Ok(section)
}

/// Removes a database and what stands beside it.
fn clear(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", path.display());
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn set_all(path: &Path, alarms: usize) -> anyhow::Result<()> {
    let abide = Abide::open(url(path)).register::<Sleeper>().start().await?;
    let delay = u64::try_from(DELAY.as_millis())?;
    for from in (0..alarms).step_by(4_096) {
        let ids = from..(from + 4_096).min(alarms);
        let calls = ids.map(|id| tokio::spawn(abide.object::<Sleeper>(&id.to_string()).sleep(delay).into_future()));
        for call in calls.collect::<Vec<_>>() {
            call.await??;
        }
    }
    Ok(abide.shutdown().await?)
}

/// Starts a node for which it is two hours later.
async fn fire_all(path: &Path, alarms: usize) -> anyhow::Result<f64> {
    RUNG.store(0, Ordering::Relaxed);
    let before = Instant::now();
    let abide = Abide::open(url(path)).register::<Sleeper>().clock(Arc::new(Later(DELAY * 2))).start().await?;
    while RUNG.load(Ordering::Relaxed) < alarms as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let any = AlarmsQuery { key: None, namespace: Namespace::default(), dead: false, after: None, limit: 1 };
    while !abide.alarms(any.clone()).await?.alarms.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = before.elapsed().as_secs_f64();
    abide.shutdown().await?;
    anyhow::ensure!(RUNG.load(Ordering::Relaxed) == alarms as u64, "an alarm rang twice");
    Ok(took)
}

/// The system's clock, put forward.
struct Later(Duration);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }

    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

fn bare(path: &Path) -> anyhow::Result<f64> {
    let conn = connect(path);
    let before = Instant::now();
    while fire_page(&conn)? > 0 {}
    Ok(before.elapsed().as_secs_f64())
}

/// Writes what firing a page of due alarms leaves, in one transaction.
fn fire_page(conn: &Connection) -> anyhow::Result<usize> {
    type Due = (i64, i64, i64, String);
    let mut due = conn.prepare_cached(
        "SELECT a.oid, o.head, o.pos, a.name FROM alarms a JOIN objects o ON o.oid = a.oid
         WHERE a.dead = 0 AND a.due <= ? ORDER BY a.due LIMIT 1024",
    )?;
    let rows = due.query_map([i64::MAX], |row| Due::try_from(row))?;
    let page = rows.collect::<Result<Vec<_>, _>>()?;
    let mut pos: i64 = conn.query_row("SELECT max(pos) FROM log", [], |row| row.get(0))?;
    let mut update =
        conn.prepare_cached("UPDATE objects SET head = ?2, pos = ?3, commit_id = ?2, state = ?4 WHERE oid = ?1")?;
    let mut log = conn.prepare_cached("INSERT INTO log (pos, oid, seq, prev, at, body) VALUES (?, ?, ?, ?, 1, ?)")?;
    let mut remove = conn.prepare_cached("DELETE FROM alarms WHERE oid = ? AND name = ?")?;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    for (oid, head, prev, name) in &page {
        pos += 1;
        update.execute((oid, head + 1, pos, r#"{"rung":1}"#))?;
        log.execute((pos, oid, head + 1, prev, change(1)))?;
        remove.execute((oid, name))?;
    }
    conn.execute_batch("COMMIT")?;
    Ok(page.len())
}
