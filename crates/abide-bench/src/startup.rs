//! From nothing to the first answer, over a database with very many objects.

use std::{path::Path, time::Instant};

use abide::prelude::*;

use crate::{
    bare::connect,
    kinds::Counter,
    plan::Plan,
    report::{Field, Section, Spread, count},
    stored::{Stored, url},
};

pub(crate) async fn run(plan: &Plan, stored: &Stored) -> anyhow::Result<Section> {
    let title = "opening the store and starting the node, and the first durable call after it, in ms; bare SQLite: \
                 opening and one read";
    let columns = ["stored objects", "bare open and read", "abide start", "first call"];
    let mut section = Section::new("startup", title, &columns);
    plan.expect(2 * plan.rounds);
    let folder = plan.folder()?;
    let empty = folder.path().join("empty.db");
    for (path, objects) in [(empty, 0), (stored.path(), stored.objects)] {
        let (mut limit, mut starts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        drop(connect(&path));
        for _ in 0..plan.rounds {
            plan.step(format!("startup: {objects} objects"));
            limit.push(tokio::task::block_in_place(|| bare(&path))?);
            let (start, call) = abide(&path).await?;
            starts.push(start);
            calls.push(call);
        }
        let [limit, starts, calls] = [limit, starts, calls].map(|times| Field::number(Spread::of(times), 2));
        section.row([Field::label(count(objects as f64)), limit, starts, calls]);
    }
    Ok(section)
}

async fn abide(path: &Path) -> anyhow::Result<(f64, f64)> {
    let before = Instant::now();
    let abide = Abide::open(url(path)).register::<Counter>().start().await?;
    let start = millis(before);
    let before = Instant::now();
    abide.object::<Counter>("7").increment(1).await?;
    let call = millis(before);
    abide.shutdown().await?;
    Ok((start, call))
}

fn bare(path: &Path) -> anyhow::Result<f64> {
    let before = Instant::now();
    let conn = rusqlite::Connection::open(path)?;
    let mut find = conn.prepare("SELECT state FROM objects WHERE namespace = ? AND kind = ? AND id = ?")?;
    let _ = find.exists(("default", "Counter", "7"))?;
    Ok(millis(before))
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
