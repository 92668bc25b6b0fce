//! Listening to foreign programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use abide_core::{Key, StoreError};
use futures_util::StreamExt;
use redis::{Client, Msg, Value};
use serde::Deserialize;
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use super::{KindLayout, absorb};
use crate::redis::{fault::Fault, reply, writer::Shared};

/// How long it waits after a lost subscription, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long the channel has to be quiet before hashes are compared with what messages said.
const QUIET: Duration = Duration::from_millis(20);
/// How often all hashes are compared, for messages that never came.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SCAN: usize = 500;

/// A message of distobject. Ours have a seq.
#[derive(Deserialize)]
struct Message {
    id: String,
    changes: BTreeMap<String, serde_json::Value>,
    seq: Option<u64>,
}

/// Takes in what foreign programs write to a kind, for as long as the store is there. Every object
/// that was changed so is told.
pub(in crate::redis) async fn listen(
    shared: Weak<Shared>,
    client: Client,
    layout: KindLayout,
    told: broadcast::Sender<Key>,
) {
    let mut wait = BACKOFF.0;
    loop {
        let began = Instant::now();
        match subscribed(&shared, &client, &layout, &told).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(kind = %layout.kind, %error, "listening to distobject was interrupted"),
        }
        if shared.strong_count() == 0 {
            return;
        }
        if began.elapsed() > BACKOFF.1 {
            wait = BACKOFF.0;
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// One subscription, from the comparison of everything at its beginning to its end.
async fn subscribed(
    shared: &Weak<Shared>,
    client: &Client,
    layout: &KindLayout,
    told: &broadcast::Sender<Key>,
) -> Result<(), StoreError> {
    let away = |error: redis::RedisError| Fault::unconnected(&error).into_error();
    let mut subscription = client.get_async_pubsub().await.map_err(away)?;
    subscription.subscribe(&layout.channel).await.map_err(away)?;
    let mut messages = subscription.into_on_message();
    // Written after this are told by a message; written before are found by the sweep.
    let mut sweep_at = Instant::now();
    let mut touched: BTreeSet<Key> = BTreeSet::new();
    loop {
        let Some(store) = shared.upgrade() else { return Ok(()) };
        if Instant::now() >= sweep_at {
            sweep(&store, layout, told).await?;
            sweep_at = Instant::now() + SWEEP_EVERY;
        }
        drop(store);
        match timeout(QUIET, messages.next()).await {
            Ok(Some(message)) => {
                let Some(store) = shared.upgrade() else { return Ok(()) };
                touched.extend(take(&store, layout, &message, told).await?);
            }
            Ok(None) => return Err(StoreError::Unavailable("the subscription ended".into())),
            Err(_) if touched.is_empty() => {}
            Err(_) => {
                let Some(store) = shared.upgrade() else { return Ok(()) };
                for key in std::mem::take(&mut touched) {
                    found(&store, layout, &key, None, told).await?;
                }
            }
        }
    }
}

/// Takes in one message; returns whose it is, to compare its hash later.
async fn take(
    shared: &Arc<Shared>,
    layout: &KindLayout,
    message: &Msg,
    told: &broadcast::Sender<Key>,
) -> Result<Option<Key>, StoreError> {
    let Ok(Message { id, changes, seq }) = serde_json::from_slice(message.get_payload_bytes()) else {
        tracing::warn!(channel = layout.channel, "a message is none of distobject");
        return Ok(None);
    };
    let Some(key) = layout.object(&id).filter(|_| seq.is_none()) else { return Ok(None) };
    let text = |(field, value): (String, serde_json::Value)| (field, super::form::write(&value));
    let changes = changes.into_iter().map(text).collect();
    found(shared, layout, &key, Some(&changes), told).await?;
    Ok(Some(key))
}

async fn found(
    shared: &Shared,
    layout: &KindLayout,
    key: &Key,
    message: Option<&BTreeMap<String, String>>,
    told: &broadcast::Sender<Key>,
) -> Result<(), StoreError> {
    if absorb(shared, layout, key, message).await? {
        // Nobody may be listening.
        let _ = told.send(key.clone());
    }
    Ok(())
}

/// Compares every hash of the kind with what was taken in.
async fn sweep(shared: &Shared, layout: &KindLayout, told: &broadcast::Sender<Key>) -> Result<(), StoreError> {
    for link in shared.reads.all() {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{}:*", escaped(&layout.prefix)));
            scan.arg("COUNT").arg(SCAN).arg("TYPE").arg("hash");
            let answer = link.send(&[&scan]).await.pop().unwrap_or(Ok(Value::Nil));
            let mut answer = reply::list(answer.map_err(Fault::into_read_error)?)?.into_iter();
            cursor = reply::text(answer.next().unwrap_or_default())?;
            for flat in reply::texts(&answer.next().unwrap_or(Value::Array(Vec::new())))? {
                if let Some(key) = layout.object(&flat) {
                    found(shared, layout, &key, None, told).await?;
                }
            }
            if cursor == "0" {
                break;
            }
        }
    }
    Ok(())
}

/// A text as the pattern that matches it alone.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c])).collect()
}
