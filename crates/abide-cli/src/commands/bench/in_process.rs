use abide::Abide;
use tokio::task::JoinSet;

use super::{
    Load,
    http::id,
    meter::{Meter, Summary, now},
};
use crate::{demo::Counter, failure::Outcome};

/// Workers increment counters through typed handles.
pub(super) async fn run(abide: &Abide, load: Load, meter: Meter) -> Outcome<Summary> {
    let mut workers = JoinSet::new();
    for worker in 0..load.workers {
        workers.spawn(work(abide.clone(), worker, load, meter.clone()));
    }
    meter.begin().await;
    while workers.join_next().await.is_some() {}
    clean(abide, load).await?;
    Ok(meter.summary())
}

/// Deletes the counters, many at a time: each deletion waits for the disk.
async fn clean(abide: &Abide, load: Load) -> Outcome {
    let mut workers = JoinSet::new();
    for first in 0..load.workers {
        let abide = abide.clone();
        workers.spawn(async move {
            for n in (first..load.objects).step_by(load.workers as usize) {
                abide.object::<Counter>(&id(n)).delete().await?;
            }
            Ok::<(), abide::Error>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(std::io::Error::other)??;
    }
    Ok(())
}

async fn work(abide: Abide, worker: u32, load: Load, meter: Meter) {
    let mut recorder = meter.recorder();
    let mut n = worker.wrapping_mul(0x9e37_79b9);
    let hot = abide.object::<Counter>(&id(0));
    while !meter.over().is_cancelled() {
        n = n.wrapping_add(load.workers);
        let begun = now();
        let called = match load.objects {
            1 => hot.increment(1).await,
            many => abide.object::<Counter>(&id(n % many)).increment(1).await,
        };
        match called {
            Ok(_) => recorder.done(begun),
            Err(_) => recorder.failed(),
        }
    }
}
