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
/// Between two readings of the outbox passes as long as the first took, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A lane whose first message is tried for longer than this is stuck: its other messages wait in the store.
const STUCK_AFTER: Duration = Duration::from_secs(1);
/// When there has been no room for others for this long, what long lanes have beyond a share of the memory goes
/// back to the store.
const CUT_AFTER: Duration = Duration::from_secs(2);
/// No lane is cut to less than this part of the memory: what little it would give back is read again too soon.
const CUT_PART: usize = 256;

/// Messages in memory, by lane. Those beyond the limit wait in the store, and so do those behind a message
/// that cannot be delivered, and, while others need the room, most of a lane that is delivered slowly.
pub(crate) struct Outbox {
    lanes: Mutex<Lanes>,
    limit: usize,
    wake: Notify,
    depth: Gauge,
}

#[derive(Default)]
struct Lanes {
    by_pair: FxHashMap<Pair, Lane>,
    /// Messages in memory, and those that are delivered and still in the store.
    known: FxHashSet<MessageId>,
    /// How many lanes are stuck, each with one message in memory.
    stuck: usize,
    /// How many of the delivered ones are in a part of the store that is away.
    held_up: usize,
    /// Messages exist in the store that are not in memory: new ones must not overtake them.
    in_store: bool,
    /// Since when messages wait in the store because there is no room for them.
    full_since: Option<Instant>,
    /// The store is being read: messages of commits that settle meanwhile wait for its end.
    reading: bool,
    /// Those messages, in order, as long as they fit into memory.
    meanwhile: Vec<OutboxMessage>,
    delivered: Vec<MessageId>,
    acknowledging: bool,
    /// Taken out of the store while it was being read: the reading may have seen them yet.
    gone: Vec<MessageId>,
    /// Pairs of which this reading leaves something out: it brings none of their messages, later ones neither.
    skipped: FxHashSet<Pair>,
}

/// Sender and receiver.
type Pair = (Key, Key);

/// The messages of one pair, in order.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<OutboxMessage>,
    /// The first has been tried in vain for some time.
    stuck: bool,
    /// It was too long, and is not added to before it is delivered.
    cut: bool,
    /// The store has messages of this pair that were left there because it was stuck or cut.
    left: bool,
}

impl Lanes {
    /// How much of a `limit` is used up. Stuck lanes, and what a part of the store holds up that is away, take no
    /// room from others, up to as many as fit into the limit.
    fn taken(&self, limit: usize) -> usize {
        self.known.len().saturating_sub((self.stuck + self.held_up).min(limit))
    }

    /// Whether messages of the pair have to stay in the store for now. Then they are read later.
    fn leaves_out(&mut self, pair: &Pair) -> bool {
        let closed = self.by_pair.get_mut(pair).filter(|lane| lane.stuck || lane.cut);
        match closed {
            Some(lane) => {
                lane.left = true;
                if self.reading {
                    self.skipped.insert(pair.clone());
                }
                true
            }
            // It is open again, and what was left out comes first.
            None if self.skipped.contains(pair) => {
                self.in_store = true;
                true
            }
            None => false,
        }
    }
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
        let kept = lanes.taken(self.limit) + lanes.meanwhile.len();
        if lanes.in_store || kept + messages.len() > self.limit {
            lanes.in_store = true;
            lanes.meanwhile = Vec::new();
            drop(lanes);
            return self.wake.notify_one();
        }
        if lanes.reading {
            return lanes.meanwhile.extend(messages);
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

    /// Takes a message in, unless it is known or its lane is closed. Says whether it did.
    fn add(&self, node: &Arc<NodeCore>, lanes: &mut Lanes, message: OutboxMessage) -> bool {
        if lanes.known.contains(&message.id) {
            return false;
        }
        let pair = (message.id.sender.clone(), message.target.clone());
        if lanes.leaves_out(&pair) {
            return false;
        }
        let lane = lanes.by_pair.entry(pair.clone()).or_default();
        lanes.known.insert(message.id.clone());
        self.depth.increment(1.0);
        lane.waiting.push_back(message);
        if lane.waiting.len() == 1 {
            let node = node.clone();
            let tasks = node.tasks.clone();
            tasks.spawn(async move { node.deliver_lane(pair).await });
        }
        true
    }

    fn first(&self, pair: &Pair) -> Option<OutboxMessage> {
        self.lanes.lock().by_pair.get(pair)?.waiting.front().cloned()
    }

    /// The lane's first message cannot be delivered for now: those behind it go back to the store.
    fn stuck(&self, pair: &Pair) {
        let mut lanes = self.lanes.lock();
        let Lanes { by_pair, known, stuck, skipped, reading, .. } = &mut *lanes;
        let Some(lane) = by_pair.get_mut(pair) else { return };
        *stuck += usize::from(!std::mem::replace(&mut lane.stuck, true));
        if *reading {
            skipped.insert(pair.clone());
        }
        lane.left |= lane.waiting.len() > 1;
        for message in lane.waiting.drain(1..) {
            known.remove(&message.id);
            self.depth.decrement(1.0);
        }
        lane.waiting.shrink_to_fit();
    }

    /// Sends back to the store what lanes have beyond an equal share of a quarter of the memory: those that take
    /// what they get, but slowly, take the room from others no longer.
    fn cut(&self, lanes: &mut Lanes) {
        let Lanes { by_pair, known, stuck, .. } = lanes;
        let share = self.limit / 4 / by_pair.len().saturating_sub(*stuck).max(1);
        let share = share.max(self.limit / CUT_PART).max(1);
        for lane in by_pair.values_mut().filter(|lane| lane.waiting.len() > share) {
            (lane.cut, lane.left) = (true, true);
            for message in lane.waiting.drain(share..) {
                known.remove(&message.id);
                self.depth.decrement(1.0);
            }
            lane.waiting.shrink_to_fit();
        }
    }

    /// Whether there is room for what waits in the store; if there has been none for long, it is made.
    fn has_room(&self, lanes: &mut Lanes) -> bool {
        let is_full = |lanes: &Lanes| lanes.taken(self.limit) > self.limit / 2;
        if is_full(lanes) && lanes.full_since.get_or_insert_with(Instant::now).elapsed() >= CUT_AFTER {
            self.cut(lanes);
            lanes.full_since = None;
        }
        let room = !is_full(lanes);
        if room {
            lanes.full_since = None;
        }
        room
    }

    /// Takes the lane's first message off. Says whether there are more.
    fn done(&self, pair: &Pair) -> bool {
        let mut lanes = self.lanes.lock();
        let Some(lane) = lanes.by_pair.get_mut(pair) else {
            return false;
        };
        let done = lane.waiting.pop_front();
        let was_stuck = std::mem::take(&mut lane.stuck);
        let (more, left) = (!lane.waiting.is_empty(), lane.left);
        if !more {
            lanes.by_pair.remove(pair);
        }
        lanes.stuck -= usize::from(was_stuck);
        if let Some(message) = done {
            self.depth.decrement(1.0);
            lanes.delivered.push(message.id);
        }
        if left && !more {
            lanes.in_store = true;
            self.wake.notify_one();
        }
        more
    }

    /// The first so many delivered messages are out of the store, but for those that are left.
    fn forget(&self, count: usize, left: Vec<MessageId>) {
        let mut lanes = self.lanes.lock();
        let Lanes { known, delivered, gone, reading, held_up, .. } = &mut *lanes;
        let left: FxHashSet<MessageId> = left.into_iter().collect();
        for id in delivered.drain(..count).filter(|id| !left.contains(id)) {
            if *reading {
                gone.push(id);
            } else {
                known.remove(&id);
            }
        }
        *held_up = left.len();
        delivered.extend(left);
    }

    /// Of a page of the store, what may be taken in.
    fn keep_news(&self, pass: &mut Vec<OutboxMessage>, page: Vec<OutboxMessage>) {
        let mut lanes = self.lanes.lock();
        for message in page {
            let pair = (message.id.sender.clone(), message.target.clone());
            if !lanes.known.contains(&message.id) && !lanes.leaves_out(&pair) {
                pass.push(message);
            }
        }
    }

    /// How many messages are in memory.
    pub(crate) fn depth(&self) -> usize {
        self.lanes.lock().known.len()
    }
}

/// Whether a receiver that answers so has refused a message: it would do so again.
pub(crate) fn is_refusal(code: Code) -> bool {
    matches!(code, Code::Rejected | Code::Denied | Code::NotFound | Code::Conflict | Code::TooLarge | Code::Deadlock)
}

impl NodeCore {
    /// Brings messages that wait in the store into memory, whenever there is room, until the node closes.
    pub(crate) async fn refill_outbox(self: Arc<Self>) {
        loop {
            let started = Instant::now();
            let wait = match self.refill_once().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read; trying again");
                    Duration::from_secs(1)
                }
            };
            // Whatever there is to read, it does not take all of the store's time.
            let pause = started.elapsed().min(PAUSE_MAX);
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = async { tokio::join!(sleep(pause), self.outbox.wake.notified()); } => {}
                () = sleep(wait.max(pause)) => {}
            }
        }
    }

    /// Reads the outbox from its beginning into memory, if there is room. Says when it has to be done again.
    ///
    /// While `in_store` or `reading` is set nothing is queued by commits, so a lane never has a later
    /// message before an earlier one: every pass adds, for each pair, a run of messages without a gap that
    /// follows what is known. If it has seen the end of the outbox, what was settled meanwhile follows it in turn.
    async fn refill_once(self: &Arc<Self>) -> Result<Duration, Error> {
        let room = {
            let mut lanes = self.outbox.lanes.lock();
            if !lanes.in_store {
                return Ok(Duration::from_secs(3600));
            }
            if !self.outbox.has_room(&mut lanes) {
                return Ok(RETRY_FIRST);
            }
            lanes.in_store = false;
            lanes.reading = true;
            lanes.skipped.clear();
            self.outbox.limit.saturating_sub(lanes.taken(self.outbox.limit)).max(1)
        };
        let read = self.read_outbox(room).await;
        let mut lanes = self.outbox.lanes.lock();
        let mut meanwhile = std::mem::take(&mut lanes.meanwhile);
        let fits = |pass: &[_]| meanwhile.is_empty() || pass.len() + meanwhile.len() <= room;
        lanes.in_store |= !matches!(&read, Ok((pass, false)) if fits(pass));
        if lanes.in_store {
            // The next pass brings them, behind what it may find before them.
            meanwhile.clear();
        }
        let added = read.map(|(pass, _)| {
            let all = pass.into_iter().chain(meanwhile);
            all.map(|message| usize::from(self.outbox.add(self, &mut lanes, message))).sum::<usize>()
        });
        lanes.reading = false;
        lanes.skipped.clear();
        for id in std::mem::take(&mut lanes.gone) {
            lanes.known.remove(&id);
        }
        Ok(match added? {
            0 => Duration::from_secs(1),
            _ if lanes.in_store => RETRY_FIRST,
            _ => Duration::from_secs(3600),
        })
    }

    /// From the beginning of the outbox as many messages as there is `room` for, without those that are known
    /// or have to stay where they are; and whether there is more.
    async fn read_outbox(&self, room: usize) -> Result<(Vec<OutboxMessage>, bool), Error> {
        let mut pass = Vec::new();
        let mut after = None;
        let (mut more, mut partial) = (true, false);
        while more && pass.len() < room {
            let page = self.store.outbox(after.take(), PAGE).await?;
            partial |= page.partial;
            after = page.messages.last().map(|message| message.id.clone());
            more = page.more && after.is_some();
            self.outbox.keep_news(&mut pass, page.messages);
        }
        more |= partial || pass.len() > room;
        pass.truncate(room);
        Ok((pass, more))
    }

    /// Delivers the messages of one pair, one after the other, until there are none.
    async fn deliver_lane(self: Arc<Self>, pair: (Key, Key)) {
        while let Some(message) = self.outbox.first(&pair) {
            if self.options.mutant(Mutant::OutboxAcknowledgedEarly) {
                // A mutant may lose this.
                let _ = self.store.acknowledge(vec![message.id.clone()]).await;
            }
            if !self.deliver_one(&pair, &message).await {
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
    async fn deliver_one(self: &Arc<Self>, pair: &Pair, message: &OutboxMessage) -> bool {
        let started = Instant::now();
        let mut wait = RETRY_FIRST;
        let mut panics = 0;
        loop {
            let error = match self.try_deliver(message).await {
                Ok(()) => return true,
                Err(error) => error,
            };
            let (sender, n) = (&message.id.sender, message.id.n);
            if is_refusal(error.code()) {
                tracing::warn!(%sender, n, target = %message.target, handler = %message.handler, %error, "a message was refused by its receiver");
                return true;
            }
            panics += u32::from(error.code() == Code::Internal);
            if panics >= PANICS_MAX || error.code() == Code::BadRequest {
                tracing::error!(%sender, n, target = %message.target, handler = %message.handler, %error, "a message is given up");
                metrics::counter!("abide_messages_given_up_total").increment(1);
                return true;
            }
            tracing::debug!(%sender, n, target = %message.target, %error, "a message is tried again");
            if started.elapsed() >= STUCK_AFTER {
                self.outbox.stuck(pair);
            }
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
        let forgotten = self.options.mutant(Mutant::SenderForgotten);
        // On behalf of whoever had it sent.
        let principal = Principal::read(message.principal.as_ref().filter(|_| !forgotten))?;
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
                let count = batch.len();
                let again = match node.store.acknowledge(batch).await {
                    Ok(left) => {
                        let again = !left.is_empty();
                        node.outbox.forget(count, left);
                        again
                    }
                    Err(error) => {
                        tracing::warn!(%error, "delivered messages stay in the outbox for now");
                        true
                    }
                };
                if again {
                    tokio::select! {
                        biased;
                        () = node.closing.cancelled() => return,
                        () = sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        });
    }
}
