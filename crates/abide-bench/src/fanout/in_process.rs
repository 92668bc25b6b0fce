//! Watchers that are tasks of the same process.

use abide::prelude::*;
use tokio::sync::broadcast;

use super::{EVERY, Heard, Publisher, Told, now_ns};
use crate::{bare::Bare, child::processor_seconds, kinds::Counter, plan::Plan, stored::url};

pub(crate) async fn run(publisher: Publisher, plan: &Plan) -> anyhow::Result<Told> {
    let folder = plan.folder()?;
    let heard = Heard::new();
    match publisher {
        Publisher::Bare => bare(&folder.path().join("bare.db"), &heard, plan).await,
        Publisher::Abide => abide(&folder.path().join("abide.db"), &heard, plan).await,
    }
}

async fn bare(path: &std::path::Path, heard: &Heard, plan: &Plan) -> anyhow::Result<Told> {
    let store = Bare::open(path, 1);
    let (events, _) = broadcast::channel::<u64>(256);
    for _ in 0..plan.watchers {
        let (mut events, heard) = (events.subscribe(), heard.clone());
        tokio::spawn(async move {
            while let Ok(seq) = events.recv().await {
                heard.note(seq);
            }
        });
    }
    let used = processor_seconds(std::process::id());
    let mut calls = Vec::new();
    for _ in 0..plan.times() {
        tokio::time::sleep(EVERY).await;
        let at = now_ns();
        let seq = u64::try_from(store.increment(0).await)?;
        events.send(seq)?;
        calls.push((seq, at));
    }
    finish(heard, &calls, used, plan)
}

async fn abide(path: &std::path::Path, heard: &Heard, plan: &Plan) -> anyhow::Result<Told> {
    let abide = Abide::open(url(path)).register::<Counter>().start().await?;
    let counter = abide.object::<Counter>("1");
    counter.increment(1).await?;
    for _ in 0..plan.watchers {
        let (mut changes, heard) = (counter.changes(After::Now).await?, heard.clone());
        tokio::spawn(async move {
            while let Some(Ok(update)) = changes.next().await {
                heard.note(update.seq().number());
            }
        });
    }
    let used = processor_seconds(std::process::id());
    let mut calls = Vec::new();
    for _ in 0..plan.times() {
        tokio::time::sleep(EVERY).await;
        let at = now_ns();
        calls.push((counter.increment(1).reply().await?.seq.number(), at));
    }
    let told = finish(heard, &calls, used, plan)?;
    abide.shutdown().await?;
    Ok(told)
}

fn finish(heard: &Heard, calls: &[(u64, u64)], used: f64, plan: &Plan) -> anyhow::Result<Told> {
    tokio::task::block_in_place(|| heard.wait(calls, plan.watchers))?;
    heard.told(calls, processor_seconds(std::process::id()) - used, plan.watchers)
}
