//! The outbox: durable messages on their way, in order for each pair of sender and receiver.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use abide_core::{
    Error, Key,
    error::Code,
    port::store::{MessageId, OutboxMessage},
};
use metrics::Gauge;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};

use crate::{
    job::{Envelope, Origin, Sink},
    node::NodeCore,
    options::Mutant,
    principal::Principal,
};

/// How many messages are read from the store at once.
const PAGE: usize = 1024;
/// A message whose handler panics this often is given up, loudly; so is at once one whose arguments or
/// principal cannot be read.
const PANICS_MAX: u32 = 20;
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Messages in memory, by lane. Those beyond the limit wait in the store.
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    limit: usize,
    wake: Notify,
    depth: Gauge,
}

#[derive(Default)]
struct Lanes {
    by_pair: FxHashMap<(Key, Key), VecDeque<OutboxMessage>>,
    known: FxHashSet<MessageId>,
    /// Messages exist in the store that are not in memory: new ones must not overtake them.
    in_store: bool,
    /// The store is being read: messages of commits that settle meanwhile wait for the next reading.
    reading: bool,
    delivered: Vec<MessageId>,
    acknowledging: bool,
}

impl Outbox {
    pub(crate) fn new(limit: usize, depth: Gauge) -> Self {
        // What an earlier run left behind is in the store.
        let lanes = Lanes { in_store: true, ..Lanes::default() };
        Self { lanes: Mutex::new(lanes), limit, wake: Notify::new(), depth }
    }

    /// Takes messages whose commit is durable.
    pub(crate) fn enqueue(&self, node: &Arc<NodeCore>, messages: Vec<OutboxMessage>) {
        let mut lanes = self.lanes.lock();
        if lanes.in_store || lanes.reading || lanes.known.len() + messages.len() > self.limit {
            lanes.in_store = true;
            drop(lanes);
            return self.wake.notify_one();
        }
        for message in messages {
            self.add(node, &mut lanes, message);
        }
    }

    /// The store may hold messages that this node does not know of; later ones must not overtake them.
    pub(crate) fn unsure(&self) {
        self.lanes.lock().in_store = true;
        self.wake.notify_one();
    }

    fn add(&self, node: &Arc<NodeCore>, lanes: &mut Lanes, message: OutboxMessage) {
        if !lanes.known.insert(message.id.clone()) {
            return;
        }
        self.depth.increment(1.0);
        let pair = (message.id.sender.clone(), message.target.clone());
        let lane = lanes.by_pair.entry(pair.clone()).or_default();
        lane.push_back(message);
        if lane.len() == 1 {
            let node = node.clone();
            let tasks = node.tasks.clone();
            tasks.spawn(async move { node.deliver_lane(pair).await });
        }
    }

    fn first(&self, pair: &(Key, Key)) -> Option<OutboxMessage> {
        self.lanes.lock().by_pair.get(pair)?.front().cloned()
    }

    /// Takes the lane's first message off. Says whether there are more.
    fn done(&self, pair: &(Key, Key)) -> bool {
        let mut lanes = self.lanes.lock();
        let Some(lane) = lanes.by_pair.get_mut(pair) else {
            return false;
        };
        let done = lane.pop_front();
        let more = !lane.is_empty();
        if !more {
            lanes.by_pair.remove(pair);
        }
        if let Some(message) = done {
            self.depth.decrement(1.0);
            lanes.delivered.push(message.id);
        }
        more
    }

    /// How many messages are in memory.
    pub(crate) fn depth(&self) -> usize {
        self.lanes.lock().known.len()
    }
}

impl NodeCore {
    /// Brings messages that wait in the store into memory, whenever there is room, until the node closes.
    pub(crate) async fn refill_outbox(self: Arc<Self>) {
        loop {
            let wait = match self.refill_once().await {
                Ok(true) => RETRY_FIRST,
                Ok(false) => Duration::from_secs(3600),
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read; trying again");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = self.outbox.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Reads the outbox from its beginning into memory. `Ok(true)` if it has to be done again.
    ///
    /// While `in_store` or `reading` is set nothing is queued by commits, so a lane never has a later
    /// message before an earlier one: every pass adds, for each pair, a run of messages without a gap.
    async fn refill_once(self: &Arc<Self>) -> Result<bool, Error> {
        {
            let mut lanes = self.outbox.lanes.lock();
            if !lanes.in_store {
                return Ok(false);
            }
            if !lanes.known.is_empty() {
                return Ok(true);
            }
            lanes.in_store = false;
            lanes.reading = true;
        }
        let read = self.read_outbox().await;
        let mut lanes = self.outbox.lanes.lock();
        lanes.reading = false;
        lanes.in_store |= !matches!(read, Ok((_, false)));
        for message in read?.0 {
            self.outbox.add(self, &mut lanes, message);
        }
        Ok(lanes.in_store)
    }

    /// The outbox from its beginning, as much as memory may hold, and whether there is more.
    async fn read_outbox(&self) -> Result<(Vec<OutboxMessage>, bool), Error> {
        let mut pass = Vec::new();
        let mut after = None;
        let mut more = true;
        while more && pass.len() < self.outbox.limit {
            let page = self.store.outbox(after.take(), PAGE).await?;
            more = page.len() == PAGE;
            after = page.last().map(|message| message.id.clone());
            pass.extend(page);
        }
        Ok((pass, more))
    }

    /// Delivers the messages of one pair, one after the other, until there are none.
    async fn deliver_lane(self: Arc<Self>, pair: (Key, Key)) {
        while let Some(message) = self.outbox.first(&pair) {
            if self.options.mutant(Mutant::OutboxAcknowledgedEarly) {
                // A mutant may lose this.
                let _ = self.store.acknowledge(vec![message.id.clone()]).await;
            }
            if !self.deliver_one(&message).await {
                return;
            }
            let more = self.outbox.done(&pair);
            self.acknowledge_soon();
            if !more {
                return;
            }
        }
    }

    /// Delivers one message, however often it takes. `false` if the node closes first.
    async fn deliver_one(self: &Arc<Self>, message: &OutboxMessage) -> bool {
        let mut wait = RETRY_FIRST;
        let mut panics = 0;
        loop {
            let error = match self.try_deliver(message).await {
                Ok(()) => return true,
                Err(error) => error,
            };
            let (sender, n) = (&message.id.sender, message.id.n);
            match error.code() {
                Code::Rejected | Code::Denied | Code::NotFound | Code::Conflict | Code::TooLarge | Code::Deadlock => {
                    tracing::warn!(%sender, n, target = %message.target, handler = %message.handler, %error, "a message was refused by its receiver");
                    return true;
                }
                Code::Internal => panics += 1,
                _ => {}
            }
            if panics >= PANICS_MAX || error.code() == Code::BadRequest {
                tracing::error!(%sender, n, target = %message.target, handler = %message.handler, %error, "a message is given up");
                metrics::counter!("abide_messages_given_up_total").increment(1);
                return true;
            }
            tracing::debug!(%sender, n, target = %message.target, %error, "a message is tried again");
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return false,
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn try_deliver(self: &Arc<Self>, message: &OutboxMessage) -> Result<(), Error> {
        let kind = self.kinds.find(message.target.kind())?.clone();
        let info = kind.handler(&message.handler)?;
        let (tx, rx) = oneshot::channel();
        let sink = Sink::Callback(Box::new(move |result| drop(tx.send(result))));
        let principal = Principal::read(message.principal.as_ref())?;
        let envelope = Envelope {
            job: (info.make)(message.args.as_str(), sink)?,
            info: info.into(),
            origin: Origin::Message(Box::new(message.id.clone())),
            deadline: Instant::now() + self.options.call_timeout,
            principal,
            chain: None,
            call_key: None,
            existing: false,
            received_at: self.options.metered.then(Instant::now),
        };
        self.submit(&message.target, &kind, envelope, false);
        match rx.await {
            Ok(result) => result.map(drop),
            Err(_) => Err(Error::unavailable("the message was dropped before its turn; it is tried again")),
        }
    }

    /// Removes delivered messages from the store, many at once.
    fn acknowledge_soon(self: &Arc<Self>) {
        {
            let mut lanes = self.outbox.lanes.lock();
            if std::mem::replace(&mut lanes.acknowledging, true) {
                return;
            }
        }
        let node = self.clone();
        self.tasks.spawn(async move {
            loop {
                let batch = {
                    let mut lanes = node.outbox.lanes.lock();
                    lanes.acknowledging = !lanes.delivered.is_empty();
                    if !lanes.acknowledging {
                        return;
                    }
                    lanes.delivered.clone()
                };
                let gone = node.store.acknowledge(batch.clone()).await;
                if let Err(error) = gone {
                    tracing::warn!(%error, "delivered messages stay in the outbox for now");
                    tokio::select! {
                        biased;
                        () = node.closing.cancelled() => return,
                        () = sleep(Duration::from_secs(1)) => continue,
                    }
                }
                let mut lanes = node.outbox.lanes.lock();
                lanes.delivered.drain(..batch.len());
                for id in &batch {
                    lanes.known.remove(id);
                }
            }
        });
    }
}
