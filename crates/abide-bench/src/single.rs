//! One caller: a durable call against one bare commit on the caller's own thread.

use std::time::Instant;

use abide::prelude::*;

use crate::{
    bare::{Rows, connect},
    durable::warm,
    kinds::Counter,
    load::{Latency, Measured, Walk, closed_loop},
    plan::Plan,
    report::{Field, Rounds, Section, Spread},
};

const MANY: usize = 10_000;

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = "one caller, durable, against one bare SQLite commit of the same rows on the caller's own thread";
    let columns = ["objects", "bare/s", "abide/s", "bare p50/p99 µs", "abide p50/p99 µs", "p50, times bare"];
    let mut section = Section::new("single", title, &columns);
    plan.expect(2 * plan.rounds * 2);
    for objects in [1, MANY] {
        let (mut limit, mut ours) = (Rounds::default(), Rounds::default());
        for _ in 0..plan.rounds {
            plan.step("single: bare commits");
            limit.push(tokio::task::block_in_place(|| bare(objects, plan))?);
            plan.step("single: calls");
            ours.push(abide(objects, plan).await?);
        }
        section.row([
            Field::label(objects.to_string()),
            limit.rate(),
            ours.rate(),
            limit.latency(0),
            ours.latency(0),
            Field::ratio(Spread::ratio(&ours.micros(50.0), &limit.micros(50.0))),
        ]);
    }
    Ok(section)
}

fn bare(objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let conn = connect(&folder.path().join("bare.db"));
    let mut rows = Rows::fill(&conn, objects);
    let mut latency = Latency::new();
    let mut walk = Walk::new(0, objects);
    let start = Instant::now();
    while start.elapsed() < plan.seconds {
        let before = Instant::now();
        rows.commit(std::iter::once(walk.next()));
        latency.note(before.elapsed());
    }
    Ok(latency.over(start.elapsed()))
}

async fn abide(objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let url = format!("sqlite:{}", folder.path().join("abide.db").display());
    let abide = Abide::open(url).register::<Counter>().start().await?;
    let counters = warm(&abide, objects).await?;
    let call = move |object: usize| {
        let call = counters[object].increment(1);
        async move {
            call.await.expect("a call failed");
        }
    };
    let measured = closed_loop(1, objects, plan.seconds, call).await;
    abide.shutdown().await?;
    Ok(measured)
}
