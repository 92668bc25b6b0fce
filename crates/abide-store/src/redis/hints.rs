//! Hints that feeds moved, from whoever moved them.

use std::{
    sync::{Arc, Once, Weak},
    time::Duration,
};

use abide_core::Shard;
use futures_util::StreamExt;
use redis::{Client, Msg, RedisError};
use tokio::time::{sleep, timeout};

use super::names::Names;
use crate::news::News;

/// How long it waits after a lost subscription, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often it looks whether anybody is still there.
const LOOK: Duration = Duration::from_secs(5);

/// Listens to commits, from the first time that somebody waits for one.
pub(super) struct Hints {
    news: Arc<News>,
    listens: Once,
    client: Client,
    channel: String,
}

impl Hints {
    pub(super) fn new(names: &Names, client: Client) -> Self {
        let channel = format!("{}@feed", names.channel());
        Self { news: Arc::default(), listens: Once::new(), client, channel }
    }

    /// Resolves at the next hint.
    #[expect(clippy::disallowed_methods, reason = "one listener for a store; it ends with the store's last handle")]
    pub(super) fn wait(&self, shard: Option<Shard>) -> impl Future<Output = ()> + Send + use<> {
        let wait = self.news.wait(shard);
        self.listens.call_once(|| {
            tokio::spawn(listen(Arc::downgrade(&self.news), self.client.clone(), self.channel.clone()));
        });
        wait
    }
}

async fn listen(news: Weak<News>, client: Client, channel: String) {
    let mut wait = BACKOFF.0;
    while news.strong_count() > 0 {
        if let Err(error) = subscribed(&news, &client, &channel, &mut wait).await {
            tracing::debug!(%error, "listening to commits was interrupted");
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// One subscription, until it is lost or the store is gone.
async fn subscribed(news: &Weak<News>, client: &Client, channel: &str, wait: &mut Duration) -> Result<(), RedisError> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    *wait = BACKOFF.0;
    let mut messages = subscription.into_on_message();
    // What moved before this was told to nobody.
    news.upgrade().iter().for_each(|news| news.tell_all());
    loop {
        let message = timeout(LOOK, messages.next()).await;
        let Some(news) = news.upgrade() else { return Ok(()) };
        match message {
            Ok(Some(message)) => news.tell(shards(&message).into_iter()),
            Ok(None) => return Ok(()),
            Err(_) => {}
        }
    }
}

/// The shards that a commit names.
fn shards(message: &Msg) -> Vec<Shard> {
    let text = String::from_utf8_lossy(message.get_payload_bytes());
    text.split(' ').filter_map(|shard| shard.parse().ok().map(Shard::new)).collect()
}
