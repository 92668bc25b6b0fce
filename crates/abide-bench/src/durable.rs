//! Durable calls in process: one hot object and 10,000 objects, 1 to 1,024 callers.

use abide::prelude::*;

use crate::{
    Plan,
    bare::Bare,
    kinds::{Counter, CounterRef},
    load::closed_loop,
    report::{Cell, count, table},
};

const MANY: usize = 10_000;

pub(crate) async fn run(plan: Plan) -> anyhow::Result<()> {
    println!(
        "\ndurable calls in process, SQLite, synchronous=FULL, against bare rusqlite group commit of the same rows\n"
    );
    let mut rows = Vec::new();
    for callers in [1, 16, 64, 256, 1_024] {
        let (mut bare, mut many, mut hot) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            let folder = tempfile::tempdir_in(".")?;
            let store = Bare::open(&folder.path().join("bare.db"), MANY);
            store.increment(0).await;
            bare.push(
                closed_loop(callers, MANY, plan.seconds, move |object| {
                    let store = store.clone();
                    async move {
                        store.increment(object).await;
                    }
                })
                .await,
            );
            many.push(abide(callers, MANY, plan).await?);
            hot.push(abide(callers, 1, plan).await?);
        }
        let [bare, many, hot] = [bare, many, hot].map(Cell::of);
        rows.push(vec![
            callers.to_string(),
            count(bare.rate),
            count(many.rate),
            format!("{:.2}", many.rate / bare.rate),
            count(hot.rate),
            format!("{:.2}", hot.rate / many.rate),
            format!("{:.0} / {:.0}", bare.p50, bare.p99),
            format!("{:.0} / {:.0}", many.p50, many.p99),
        ]);
    }
    let header = [
        "callers",
        "bare/s",
        "10,000 objects/s",
        "ratio",
        "one object/s",
        "to 10,000",
        "bare p50/p99 µs",
        "abide p50/p99 µs",
    ];
    println!("{}", table(&header, &rows));
    Ok(())
}

async fn abide(callers: usize, objects: usize, plan: Plan) -> anyhow::Result<crate::load::Measured> {
    let folder = tempfile::tempdir_in(".")?;
    let url = format!("sqlite:{}", folder.path().join("abide.db").display());
    let abide = Abide::open(url).register::<Counter>().start().await?;
    let counters: Vec<CounterRef> = (0..objects).map(|id| abide.object::<Counter>(&id.to_string())).collect();
    let warm: Vec<_> = counters.iter().map(|counter| tokio::spawn(counter.increment(1).into_future())).collect();
    for call in warm {
        call.await??;
    }
    let counters = std::sync::Arc::new(counters);
    let measured = closed_loop(callers, objects, plan.seconds, move |object| {
        let call = counters[object].increment(1);
        async move {
            call.await.expect("a call failed");
        }
    })
    .await;
    abide.shutdown().await?;
    Ok(measured)
}
