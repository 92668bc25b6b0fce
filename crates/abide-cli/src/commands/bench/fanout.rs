use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    Load,
    http::{clean, id, increment},
    meter::{Meter, Summary, now},
};
use crate::{
    client::{Client, EventStream, object_path},
    failure::Outcome,
};

/// The pause between two changes.
const PAUSE: Duration = Duration::from_millis(10);

/// When the call for each seq began.
type Begun = Arc<Mutex<Vec<Instant>>>;

/// One writer changes a counter; watchers note how long each change took to reach them.
pub(super) async fn run(client: &Client, load: Load, meter: Meter) -> Outcome<Summary> {
    let one = Load { objects: 1, ..load };
    clean(client, one).await?;
    let mut writer = client.connect().await?;
    increment(client, &mut writer, 0).await?;
    let path = object_path(&["Counter", &id(0), "changes"]);
    let head = client.get(&(path.clone() + "?limit=1")).await?["head"].as_u64().unwrap_or_default();
    let begun = Begun::default();
    let mut watchers = JoinSet::new();
    for _ in 0..load.watchers {
        let stream = client.events(&format!("{path}?after={head}"), None).await?;
        watchers.spawn(watch(stream, head, begun.clone(), meter.clone()));
    }
    let write = async {
        while !meter.over().is_cancelled() {
            lock(&begun).push(now());
            if increment(client, &mut writer, 0).await.is_err() {
                return meter.recorder().failed();
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::join!(meter.begin(), write);
    while watchers.join_next().await.is_some() {}
    clean(client, one).await?;
    Ok(meter.summary())
}

async fn watch(mut stream: EventStream, head: u64, begun: Begun, meter: Meter) {
    let mut recorder = meter.recorder();
    loop {
        let event = tokio::select! {
            () = meter.over().cancelled() => return,
            event = stream.next() => event,
        };
        let seq = event.ok().flatten().and_then(|event| event.id.parse::<u64>().ok());
        let Some(seq) = seq else {
            return recorder.failed();
        };
        let place = usize::try_from(seq.saturating_sub(head + 1)).unwrap_or(usize::MAX);
        match lock(&begun).get(place) {
            Some(begun) => recorder.done(*begun),
            None => recorder.failed(),
        }
    }
}

fn lock(begun: &Begun) -> std::sync::MutexGuard<'_, Vec<Instant>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}
