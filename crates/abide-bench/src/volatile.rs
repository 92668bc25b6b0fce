//! Calls on objects in memory, against a Tokio channel and two actor libraries.

use std::sync::Arc;

use abide::prelude::*;
use kameo::actor::Spawn;

use crate::{
    Plan,
    actors::{Kameo, Ractor, Task, kameo_increment, ractor_increment},
    kinds::{Volatile, VolatileRef},
    load::{Measured, closed_loop},
    report::{Cell, count, table},
};

pub(crate) async fn run(plan: Plan) -> anyhow::Result<()> {
    println!("\ncalls on volatile objects in process, against actors that do the same\n");
    let mut rows = Vec::new();
    for (callers, objects) in [(1, 1), (64, 1), (64, 10_000)] {
        if let Ok(only) = std::env::var("ABIDE_BENCH_ONLY") {
            let n: usize = only.parse()?;
            println!("{}", abide(n, 1, plan).await?.rate());
            return Ok(());
        }
        let mut rounds = [const { Vec::new() }; 4];
        for _ in 0..plan.rounds {
            rounds[0].push(task(callers, objects, plan).await);
            rounds[1].push(abide(callers, objects, plan).await?);
            rounds[2].push(kameo(callers, objects, plan).await);
            rounds[3].push(ractor(callers, objects, plan).await?);
        }
        let [task, abide, kameo, ractor] = rounds.map(Cell::of);
        rows.push(vec![
            format!("{callers} on {}", count(objects as f64)),
            count(task.rate),
            count(abide.rate),
            format!("{:.2}", abide.rate / task.rate),
            count(kameo.rate),
            count(ractor.rate),
            format!("{:.2} / {:.2}", task.p50, task.p99),
            format!("{:.2} / {:.2}", abide.p50, abide.p99),
        ]);
    }
    let header = [
        "callers",
        "tokio mpsc+oneshot/s",
        "abide/s",
        "ratio",
        "kameo/s",
        "ractor/s",
        "tokio p50/p99 µs",
        "abide p50/p99 µs",
    ];
    println!("{}", table(&header, &rows));
    Ok(())
}

async fn abide(callers: usize, objects: usize, plan: Plan) -> anyhow::Result<Measured> {
    let abide = Abide::open("memory:").register::<Volatile>().start().await?;
    let objects_: Vec<VolatileRef> = (0..objects).map(|id| abide.object::<Volatile>(&id.to_string())).collect();
    for object in &objects_ {
        object.increment(1).await?;
    }
    let all = Arc::new(objects_);
    let measured = closed_loop(callers, objects, plan.seconds, move |object| {
        let call = all[object].increment(1);
        async move {
            call.await.expect("a call failed");
        }
    })
    .await;
    abide.shutdown().await?;
    Ok(measured)
}

async fn task(callers: usize, objects: usize, plan: Plan) -> Measured {
    let all: Arc<Vec<Task>> = Arc::new((0..objects).map(|_| Task::spawn()).collect());
    closed_loop(callers, objects, plan.seconds, move |object| {
        let task = all[object].clone();
        async move {
            task.increment(1).await;
        }
    })
    .await
}

async fn kameo(callers: usize, objects: usize, plan: Plan) -> Measured {
    let all: Arc<Vec<_>> = Arc::new((0..objects).map(|_| Kameo::spawn(Kameo::default())).collect());
    closed_loop(callers, objects, plan.seconds, move |object| {
        let actor = all[object].clone();
        async move {
            kameo_increment(&actor).await;
        }
    })
    .await
}

async fn ractor(callers: usize, objects: usize, plan: Plan) -> anyhow::Result<Measured> {
    let mut all = Vec::with_capacity(objects);
    for _ in 0..objects {
        all.push(ractor::Actor::spawn(None, Ractor, ()).await.map_err(|e| anyhow::anyhow!("{e}"))?.0);
    }
    let all = Arc::new(all);
    let measured = closed_loop(callers, objects, plan.seconds, move |object| {
        let actor = all[object].clone();
        async move {
            ractor_increment(&actor).await;
        }
    })
    .await;
    Ok(measured)
}
