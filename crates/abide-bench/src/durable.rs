//! Durable calls in process: one hot object and 10,000 objects, 1 to 1,024 callers.

use abide::prelude::*;

use crate::{
    bare::Bare,
    kinds::{Counter, CounterRef},
    load::{Measured, closed_loop},
    plan::Plan,
    report::{Field, Rounds, Section},
};

const MANY: usize = 10_000;
const CALLERS: [usize; 5] = [1, 16, 64, 256, 1_024];

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = "calls in process, SQLite, synchronous=FULL, against bare rusqlite group commit of the same rows";
    let mut section = Section::new(
        "durable",
        title,
        &[
            "callers",
            "bare/s",
            "10,000 objects/s",
            "of bare",
            "one object/s",
            "of 10,000",
            "bare p50/p99 µs",
            "abide p50/p99 µs",
            "one object p50/p99 µs",
            "bare CPU µs",
            "abide CPU µs",
        ],
    );
    if let Some((callers, objects)) = plan.only {
        plan.print(&format!("{:.0}/s", abide(callers, objects, plan).await?.rate()));
        return Ok(section);
    }
    plan.expect(CALLERS.len() * plan.rounds * 3);
    for callers in CALLERS {
        let (mut limit, mut many, mut hot) = (Rounds::default(), Rounds::default(), Rounds::default());
        for _ in 0..plan.rounds {
            plan.step(format!("durable: {callers} callers, bare rusqlite"));
            limit.push(bare(callers, plan).await?);
            plan.step(format!("durable: {callers} callers, 10,000 objects"));
            many.push(abide(callers, MANY, plan).await?);
            plan.step(format!("durable: {callers} callers, one object"));
            hot.push(abide(callers, 1, plan).await?);
        }
        section.row([
            Field::label(callers.to_string()),
            limit.rate(),
            many.rate(),
            many.of_limit(&limit),
            hot.rate(),
            hot.of_limit(&many),
            limit.latency(0),
            many.latency(0),
            hot.latency(0),
            limit.processor(1),
            many.processor(1),
        ]);
    }
    Ok(section)
}

async fn bare(callers: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let store = Bare::open(&folder.path().join("bare.db"), MANY);
    store.increment(0).await;
    let call = move |object| {
        let store = store.clone();
        async move {
            store.increment(object).await;
        }
    };
    Ok(closed_loop(callers, MANY, plan.seconds, call).await)
}

async fn abide(callers: usize, objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let url = format!("sqlite:{}", folder.path().join("abide.db").display());
    let abide = Abide::open(url).register::<Counter>().start().await?;
    let counters = std::sync::Arc::new(warm(&abide, objects).await?);
    let call = move |object: usize| {
        let call = counters[object].increment(1);
        async move {
            call.await.expect("a call failed");
        }
    };
    let measured = closed_loop(callers, objects, plan.seconds, call).await;
    abide.shutdown().await?;
    Ok(measured)
}

/// So many counters that have been called once.
pub(crate) async fn warm(abide: &Abide, objects: usize) -> anyhow::Result<Vec<CounterRef>> {
    let counters: Vec<CounterRef> = (0..objects).map(|id| abide.object::<Counter>(&id.to_string())).collect();
    let calls: Vec<_> = counters.iter().map(|counter| tokio::spawn(counter.increment(1).into_future())).collect();
    for call in calls {
        call.await??;
    }
    Ok(counters)
}
