//! Calls on objects in memory, against a Tokio channel and two actor libraries.

use std::sync::Arc;

use abide::prelude::*;
use kameo::actor::Spawn;

use crate::{
    actors::{Kameo, Ractor, Task, kameo_increment, ractor_increment},
    kinds::{Volatile, VolatileRef},
    load::{Measured, closed_loop},
    plan::Plan,
    report::{Field, Rounds, Section, count},
};

const LOADS: [(usize, usize); 3] = [(1, 1), (64, 1), (64, 10_000)];

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = "calls on volatile objects in process, against actors that do the same";
    let mut section = Section::new(
        "volatile",
        title,
        &[
            "callers",
            "tokio mpsc+oneshot/s",
            "abide/s",
            "of tokio",
            "kameo/s",
            "ractor/s",
            "tokio p50/p99 µs",
            "abide p50/p99 µs",
        ],
    );
    if let Some((callers, objects)) = plan.only {
        plan.print(&format!("{:.0}/s", abide(callers, objects, plan).await?.rate()));
        return Ok(section);
    }
    plan.expect(LOADS.len() * plan.rounds * 4);
    for (callers, objects) in LOADS {
        let mut rounds: [Rounds; 4] = Default::default();
        for _ in 0..plan.rounds {
            plan.step(format!("volatile: {callers} callers on {objects}, tokio"));
            rounds[0].push(task(callers, objects, plan).await);
            plan.step(format!("volatile: {callers} callers on {objects}, abide"));
            rounds[1].push(abide(callers, objects, plan).await?);
            plan.step(format!("volatile: {callers} callers on {objects}, kameo"));
            rounds[2].push(kameo(callers, objects, plan).await);
            plan.step(format!("volatile: {callers} callers on {objects}, ractor"));
            rounds[3].push(ractor(callers, objects, plan).await?);
        }
        let [task, abide, kameo, ractor] = rounds;
        section.row([
            Field::label(format!("{callers} on {}", count(objects as f64))),
            task.rate(),
            abide.rate(),
            abide.of_limit(&task),
            kameo.rate(),
            ractor.rate(),
            task.latency(2),
            abide.latency(2),
        ]);
    }
    Ok(section)
}

async fn abide(callers: usize, objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
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

async fn task(callers: usize, objects: usize, plan: &Plan) -> Measured {
    let all: Arc<Vec<Task>> = Arc::new((0..objects).map(|_| Task::spawn()).collect());
    closed_loop(callers, objects, plan.seconds, move |object| {
        let task = all[object].clone();
        async move {
            task.increment(1).await;
        }
    })
    .await
}

async fn kameo(callers: usize, objects: usize, plan: &Plan) -> Measured {
    let all: Arc<Vec<_>> = Arc::new((0..objects).map(|_| Kameo::spawn(Kameo::default())).collect());
    closed_loop(callers, objects, plan.seconds, move |object| {
        let actor = all[object].clone();
        async move {
            kameo_increment(&actor).await;
        }
    })
    .await
}

async fn ractor(callers: usize, objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
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
