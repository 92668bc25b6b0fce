//! Listening to foreign programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use abide_core::{
    Key, StoreError,
    port::store::{FieldForm, Notice, Strings},
};
use futures_util::StreamExt;
use redis::{Client, Msg, Value};
use serde::Deserialize;
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep, timeout},
};

use super::{Layouts, flat, look, object, order::Order};
use crate::redis::{fault::Fault, names, read, reply, writer::Shared};

/// How long it waits after a lost subscription, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long the channels have to be quiet before hashes are compared with what messages said.
const QUIET: Duration = Duration::from_millis(20);
/// How often they are compared on channels that are never quiet.
const LOUD: Duration = Duration::from_secs(3);
/// How many objects wait to be compared; more are found by a later sweep.
const TOUCHED_MAX: usize = 16_384;
/// How often all hashes are compared, for messages that never came; less often if that takes long.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_SHARE: u32 = 20;
const SCAN: usize = 500;

/// A message of distobject. Ours have a seq.
#[derive(Deserialize)]
struct Message {
    id: String,
    changes: BTreeMap<String, serde_json::Value>,
    seq: Option<u64>,
}

/// Objects to be compared, each with how it differed before.
type Touched = BTreeMap<Key, Differed>;

/// How a hash differed from what was taken in.
#[derive(Default)]
struct Differed {
    /// When it was quiet last, since the last message of the object.
    quiet: Strings,
    /// When it was compared last without a quiet moment.
    loud: Strings,
}

fn touch(touched: &mut Touched, key: Key) -> Option<&mut Differed> {
    let room = touched.len() < TOUCHED_MAX || touched.contains_key(&key);
    room.then(|| touched.entry(key).or_default())
}

/// What the listener works with.
struct Listener {
    shared: Weak<Shared>,
    client: Client,
    order: Arc<Order>,
    notices: Sender<Notice>,
}

/// Why listening ended.
enum End {
    /// Nobody waits for notices any more.
    Closed,
    /// The connection is lost.
    Lost(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Lost(error)
    }
}

/// Tells what foreign programs write, over one connection for all kinds, for as long as somebody wants to
/// know.
pub(super) async fn listen(shared: Weak<Shared>, client: Client, order: Arc<Order>, notices: Sender<Notice>) {
    let listener = Listener { shared, client, order, notices };
    let mut wait = BACKOFF.0;
    loop {
        let began = Instant::now();
        let end = tokio::select! {
            end = listener.subscribed() => end,
            () = listener.notices.closed() => return,
        };
        match end {
            Ok(()) | Err(End::Closed) => return,
            Err(End::Lost(error)) => tracing::warn!(%error, "listening to distobject was interrupted"),
        }
        if began.elapsed() > BACKOFF.1 {
            wait = BACKOFF.0;
        }
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

impl Listener {
    fn shared(&self) -> Result<(Arc<Shared>, Arc<Layouts>), End> {
        let shared = self.shared.upgrade().ok_or(End::Closed)?;
        let layouts = shared.layouts.read().clone();
        Ok((shared, layouts))
    }

    /// One subscription, from the comparison of everything at its beginning to its end.
    async fn subscribed(&self) -> Result<(), End> {
        let away = |error: redis::RedisError| Fault::unconnected(&error).into_error();
        let mut subscription = self.client.get_async_pubsub().await.map_err(away)?;
        let looks = {
            let (shared, layouts) = self.shared()?;
            let looks = look::looks(&shared);
            let channels: BTreeSet<_> = layouts.values().map(|layout| layout.channel.clone()).collect();
            for channel in channels.iter().chain([&looks]) {
                subscription.subscribe(channel).await.map_err(away)?;
            }
            looks
        };
        self.order.begin();
        let mut messages = subscription.into_on_message();
        // Written after this are told by a message; written before are found by the sweep.
        self.sweep(None).await?;
        let mut sweep_at = Instant::now() + SWEEP_EVERY;
        let mut touched = Touched::new();
        let mut compared = Instant::now();
        loop {
            if Instant::now() >= sweep_at {
                let began = Instant::now();
                self.sweep(Some(&mut touched)).await?;
                compared = Instant::now();
                sweep_at = compared + SWEEP_EVERY.max(began.elapsed() * SWEEP_SHARE);
            }
            let heard = timeout(QUIET, messages.next()).await;
            let quiet = heard.is_err();
            match heard {
                Ok(Some(message)) if message.get_channel_name() == looks => self.mark(&message)?,
                Ok(Some(message)) => {
                    if let Some(differed) = self.take(&message).await?.and_then(|key| touch(&mut touched, key)) {
                        differed.quiet.clear();
                    }
                }
                Ok(None) => return Err(StoreError::Unavailable("the subscription ended".into()).into()),
                Err(_) => {}
            }
            if quiet || compared.elapsed() >= LOUD {
                if !touched.is_empty() {
                    self.compare_touched(&mut touched, quiet).await?;
                }
                compared = Instant::now();
            }
        }
    }

    async fn tell(&self, notice: Notice) -> Result<(), End> {
        self.notices.send(notice).await.map_err(|_| End::Closed)
    }

    fn mark(&self, message: &Msg) -> Result<(), End> {
        let (_, layouts) = self.shared()?;
        if let Ok(text) = std::str::from_utf8(message.get_payload_bytes()) {
            self.order.marked(text, |flat| object(&layouts, flat));
        }
        Ok(())
    }

    /// Tells of one message; returns whose it is, to compare its hash later.
    async fn take(&self, message: &Msg) -> Result<Option<Key>, End> {
        let Ok(Message { id, changes, seq }) = serde_json::from_slice(message.get_payload_bytes()) else {
            tracing::warn!(channel = message.get_channel_name(), "a message is none of distobject");
            return Ok(None);
        };
        let (_, layouts) = self.shared()?;
        let Some(key) = object(&layouts, &id).filter(|_| seq.is_none()) else { return Ok(None) };
        let text = |(field, value): (String, serde_json::Value)| (field, FieldForm::write(&value));
        let said = Some(changes.into_iter().map(text).collect());
        self.tell(Notice { key: key.clone(), said, number: self.order.tell(&key) }).await?;
        Ok(Some(key))
    }

    /// Tells of objects whose hashes differ from what was taken in, in the same way as when they were compared
    /// last: no message is on its way that explains it. Where it is never quiet, other fields may differ
    /// because of messages that are; one that stays the same for so long has none.
    async fn compare_touched(&self, touched: &mut Touched, quiet: bool) -> Result<(), End> {
        let keys: Vec<Key> = touched.keys().filter(|key| !self.order.waits(key)).cloned().collect();
        for (key, news) in self.compare(&keys).await? {
            let Some(differed) = touched.get_mut(&key) else { continue };
            let stays = match quiet {
                true => differed.quiet == news,
                false => news.iter().any(|(field, text)| differed.loud.get(field) == Some(text)),
            };
            if news.is_empty() {
                touched.remove(&key);
            } else if stays {
                touched.remove(&key);
                self.tell(Notice::compare(key)).await?;
            } else if quiet {
                differed.quiet = news;
            } else {
                differed.loud = news;
            }
        }
        Ok(())
    }

    /// What the hashes of objects have that was not taken in.
    async fn compare(&self, keys: &[Key]) -> Result<Vec<(Key, Strings)>, End> {
        let mut compared = Vec::with_capacity(keys.len());
        for keys in keys.chunks(SCAN) {
            let (shared, layouts) = self.shared()?;
            let mut commands = Vec::with_capacity(2 * keys.len());
            for key in keys {
                let Some(layout) = super::of(&layouts, key) else { continue };
                let slot = shared.names.slot(shared.names.part(key));
                for name in [flat(layout, key), shared.names.of('d', key)] {
                    let mut all = redis::cmd("HGETALL");
                    all.arg(name);
                    commands.push((slot, all));
                }
            }
            let mut found = read::many(&shared, &commands).await?.into_iter();
            for key in keys {
                let (Some(flat), Some(seen)) = (found.next(), found.next()) else { break };
                compared.push((key.clone(), look::foreign(key, &reply::hash(flat)?, &reply::hash(seen)?)));
            }
        }
        Ok(compared)
    }

    /// Compares every hash of every kind. Those that differ are told, or are to be compared once more.
    async fn sweep(&self, mut touched: Option<&mut Touched>) -> Result<(), End> {
        let (shared, layouts) = self.shared()?;
        for layout in layouts.values() {
            for link in shared.reads.all() {
                let mut cursor = "0".to_owned();
                loop {
                    let mut scan = redis::cmd("SCAN");
                    scan.arg(&cursor).arg("MATCH").arg(format!("{}:*", names::pattern(&layout.prefix)));
                    scan.arg("COUNT").arg(SCAN).arg("TYPE").arg("hash");
                    let answer = link.send(&[&scan]).await.pop().unwrap_or(Ok(Value::Nil));
                    let mut answer = reply::list(answer.map_err(Fault::into_read_error)?)?.into_iter();
                    cursor = reply::text(answer.next().unwrap_or_default())?;
                    let flats = reply::texts(&answer.next().unwrap_or(Value::Array(Vec::new())))?;
                    let keys: Vec<Key> = flats.iter().filter_map(|flat| object(&layouts, flat)).collect();
                    for (key, news) in self.compare(&keys).await? {
                        match &mut touched {
                            _ if news.is_empty() => {}
                            Some(touched) => {
                                if let Some(differed) = touch(touched, key) {
                                    differed.quiet = news;
                                }
                            }
                            None => self.tell(Notice::compare(key)).await?,
                        }
                    }
                    if cursor == "0" {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
