//! Transfers between two of 1,000 wallets, both changed in one transaction, beside plain durable calls.

use std::sync::Arc;

use crate::{
    durable::warm,
    kinds::{Counter, CounterRef},
    load::{Measured, closed_loop},
    plan::Plan,
    report::{Field, Rounds, Section},
};
use abide::prelude::*;

const WALLETS: usize = 1_000;
const CALLERS: [usize; 3] = [16, 64, 256];

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title =
        "transfers between two of 1,000 wallets, SQLite, synchronous=FULL, against plain calls of the same wallets";
    let columns = ["callers", "plain/s", "transfers/s", "of plain", "plain p50/p99 µs", "transfer p50/p99 µs"];
    let mut section = Section::new("transfers", title, &columns);
    plan.expect(CALLERS.len() * plan.rounds * 2);
    for callers in CALLERS {
        let (mut plain, mut both) = (Rounds::default(), Rounds::default());
        for _ in 0..plan.rounds {
            plan.step(format!("transfers: {callers} callers, plain calls"));
            plain.push(measure(callers, plan, false).await?);
            plan.step(format!("transfers: {callers} callers, transfers"));
            both.push(measure(callers, plan, true).await?);
        }
        section.row([
            Field::label(callers.to_string()),
            plain.rate(),
            both.rate(),
            both.of_limit(&plain),
            plain.latency(0),
            both.latency(0),
        ]);
    }
    Ok(section)
}

async fn measure(callers: usize, plan: &Plan, transfers: bool) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let url = format!("sqlite:{}", folder.path().join("abide.db").display());
    let abide = Abide::open(url).register::<Counter>().start().await?;
    let wallets = Arc::new(warm(&abide, WALLETS).await?);
    let (node, all) = (abide.clone(), wallets.clone());
    let call = move |object: usize| {
        let (node, wallets) = (node.clone(), all.clone());
        async move {
            let from = &wallets[object];
            let done = if transfers {
                // Never itself, and every pair may come.
                let to = &wallets[(object + 1 + object * 31 % (WALLETS - 1)) % WALLETS];
                transfer(&node, from, to).await
            } else {
                from.increment(1).await.map(drop)
            };
            done.expect("a call failed");
        }
    };
    let measured = closed_loop(callers, WALLETS, plan.seconds, call).await;
    if transfers {
        let mut sum = 0;
        for wallet in wallets.iter() {
            sum += wallet.read().await?;
        }
        anyhow::ensure!(sum == i64::try_from(WALLETS)?, "the wallets hold {sum} together, not {WALLETS}");
    }
    abide.shutdown().await?;
    Ok(measured)
}

async fn transfer(node: &Abide, from: &CounterRef, to: &CounterRef) -> abide::Result<()> {
    let moved = node.transaction(&[from, to], |tx| {
        let (from, to) = (from.within(&tx), to.within(&tx));
        async move {
            from.increment(-1).await?;
            to.increment(1).await.map(drop)
        }
    });
    moved.await
}
