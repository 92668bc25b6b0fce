//! The commit pipeline: commits of many objects go to the store together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abide_core::{
    Error, Key, Store, StoreError,
    error::Code,
    port::{
        BoxFuture,
        store::{AlarmWrite, Commit, Committed, Write},
    },
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use crate::{
    activation::{Activation, Issued, Verdict},
    node::NodeCore,
};

/// The most commits in one batch.
const BATCH_MAX: usize = 4096;
/// How many objects are read back at a time to know what became of their commits.
const READ_BACK_AT_A_TIME: usize = 512;

type Answer = Result<Vec<Committed>, StoreError>;

/// Collects commits while batches are on their way; the order of commits is the order of `submit`.
pub(crate) struct Pipeline {
    store: Arc<dyn Store>,
    depth: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Commit, Issued)>,
    in_flight: usize,
    /// Batches handed to the store so far.
    handed: u64,
    /// Batches settled so far.
    settled: u64,
    /// Batches that were answered before one handed over earlier.
    answered: BTreeMap<u64, (Vec<(Issued, Mark)>, Answer)>,
    /// A task is settling.
    settling: bool,
    /// Objects with a commit on its way that leaves the head where it is. Their next commit waits: its
    /// expected seq would hold even if this one failed.
    headless: FxHashSet<Key>,
    /// How many of the waiting commits belong to groups.
    grouped: usize,
}

/// A batch on its way: what the store is asked, and what hangs on the answer.
struct Batch {
    number: u64,
    answer: BoxFuture<'static, Answer>,
    issued: Vec<(Issued, Mark)>,
    started: Instant,
}

/// Enough of a commit to recognise it when it is read back.
struct Mark {
    key: Key,
    id: u64,
    /// Whether the commit moves the object's head, so that no later one succeeds without it.
    moves: bool,
    group: Option<u64>,
    /// It was not sent: what it builds on is not there.
    doomed: Option<Error>,
}

impl Pipeline {
    pub(crate) fn new(store: Arc<dyn Store>, depth: usize) -> Self {
        Self { store, depth, queue: Mutex::default() }
    }

    /// Takes a commit. It goes to the store at once if fewer than `depth` batches are on their way,
    /// else with the next batch.
    pub(crate) fn submit(&self, node: &Arc<NodeCore>, commit: Commit, issued: Issued) {
        self.submit_with(node, |waiting| {
            waiting.push((commit, issued));
            0
        });
    }

    /// Takes the commits of one group: they go to the store side by side, in one batch.
    pub(crate) fn submit_group(&self, node: &Arc<NodeCore>, commits: Vec<(Commit, Issued)>) {
        self.submit_with(node, |waiting| {
            let grouped = commits.len();
            waiting.extend(commits);
            grouped
        });
    }

    fn submit_with(&self, node: &Arc<NodeCore>, push: impl FnOnce(&mut Vec<(Commit, Issued)>) -> usize) {
        let batch = {
            let mut queue = self.queue.lock();
            queue.grouped += push(&mut queue.waiting);
            if queue.in_flight >= self.depth {
                return;
            }
            queue.in_flight += 1;
            self.next_batch(&mut queue)
        };
        let Some(batch) = batch else { return };
        let node = node.clone();
        let tasks = node.tasks.clone();
        tasks.spawn(async move { node.pipeline.run(&node, batch).await });
    }

    /// Nothing waits and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        let queue = self.queue.lock();
        queue.waiting.is_empty() && queue.settled == queue.handed
    }

    /// Hands the next batch to the store. Called under the queue's lock, so that batches reach the
    /// store in order.
    fn next_batch(&self, queue: &mut Queue) -> Option<Batch> {
        if queue.waiting.is_empty() {
            queue.in_flight -= 1;
            return None;
        }
        let batch = queue.take_ready();
        if batch.is_empty() {
            queue.in_flight -= 1;
            return None;
        }
        let mut commits = Vec::with_capacity(batch.len());
        let mut issued = Vec::with_capacity(batch.len());
        for (commit, mut effects) in batch {
            let mark = Mark {
                key: commit.key.clone(),
                id: commit.id,
                moves: !commit.changes.is_empty(),
                group: commit.group,
                doomed: effects.doomed.take(),
            };
            if !mark.moves {
                queue.headless.insert(mark.key.clone());
            }
            if mark.doomed.is_none() {
                commits.push(commit);
            }
            issued.push((effects, mark));
        }
        queue.handed += 1;
        let answer: BoxFuture<'static, Answer> =
            if commits.is_empty() { Box::pin(std::future::ready(Ok(Vec::new()))) } else { self.store.commit(commits) };
        Some(Batch { number: queue.handed, answer, issued, started: Instant::now() })
    }

    /// Waits for a batch, settles it, and goes on while there is more.
    async fn run(&self, node: &Arc<NodeCore>, mut batch: Batch) {
        loop {
            let answer = batch.answer.await;
            node.metrics.commit_seconds.record(batch.started.elapsed());
            #[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
            node.metrics.batch_size.record(batch.issued.len() as f64);
            let next = {
                let mut queue = self.queue.lock();
                queue.answered.insert(batch.number, (batch.issued, answer));
                self.next_batch(&mut queue)
            };
            self.settle_answered(node).await;
            match next.or_else(|| self.freed_batch()) {
                Some(next) => batch = next,
                None => return,
            }
        }
    }

    /// A batch of commits that waited for others to be settled, if there is room for one.
    fn freed_batch(&self) -> Option<Batch> {
        let mut queue = self.queue.lock();
        if queue.waiting.is_empty() || queue.in_flight >= self.depth {
            return None;
        }
        queue.in_flight += 1;
        self.next_batch(&mut queue)
    }

    /// Settles what was answered, in the order it was handed over; one task at a time.
    async fn settle_answered(&self, node: &Arc<NodeCore>) {
        let mut first = true;
        loop {
            let (issued, answer) = {
                let mut queue = self.queue.lock();
                if first && queue.settling {
                    return;
                }
                if !first {
                    queue.settled += 1;
                }
                let next = queue.settled + 1;
                let ready = queue.answered.remove(&next);
                queue.settling = ready.is_some();
                match ready {
                    Some(ready) => ready,
                    None => return,
                }
            };
            first = false;
            self.settle(node, issued, answer).await;
        }
    }

    async fn settle(&self, node: &Arc<NodeCore>, issued: Vec<(Issued, Mark)>, answer: Answer) {
        let verdicts = self.verdicts(node, &issued, answer).await;
        let mut headless = Vec::new();
        for ((issued, mark), verdict) in issued.into_iter().zip(verdicts) {
            if !mark.moves {
                headless.push((mark.key, issued.activation.clone(), verdict.as_ref().err().cloned()));
            }
            node.settle(issued, verdict);
        }
        for (key, activation, failure) in headless {
            self.let_go(&key, activation.as_ref(), failure.as_ref());
        }
    }

    /// Lets the commits go that waited for a headless one. If it failed they fail with it, and so do the
    /// groups they belong to: what they build on is not there. They fail in their place in the order.
    fn let_go(&self, key: &Key, activation: Option<&Arc<Activation>>, failure: Option<&Error>) {
        let mut queue = self.queue.lock();
        queue.headless.remove(key);
        let (Some(activation), Some(failure)) = (activation, failure) else { return };
        let mut groups = FxHashSet::default();
        for (commit, issued) in &mut queue.waiting {
            if issued.activation.as_ref().is_some_and(|a| Arc::ptr_eq(a, activation)) {
                issued.doomed = Some(failure.clone());
                groups.extend(commit.group);
            }
        }
        if groups.is_empty() {
            return;
        }
        for (commit, issued) in &mut queue.waiting {
            if commit.group.is_some_and(|group| groups.contains(&group)) && issued.doomed.is_none() {
                issued.doomed = Some(left_out(&commit.key));
            }
        }
    }

    /// What became of each commit of a batch.
    async fn verdicts(&self, node: &Arc<NodeCore>, issued: &[(Issued, Mark)], answer: Answer) -> Vec<Verdict> {
        match answer {
            Ok(results) => {
                let mut results = results.into_iter();
                let mut verdict = |mark: &Mark| match (&mark.doomed, mark.doomed.is_none().then(|| results.next())) {
                    (Some(error), _) => Err(error.clone()),
                    (None, Some(Some(result))) => self.verdict(node, mark, result),
                    (None, Some(None) | None) => Err(Error::internal("BUG: the store left a commit without an answer")),
                };
                issued.iter().map(|(_, mark)| verdict(mark)).collect()
            }
            Err(StoreError::Unknown(cause)) => self.read_back(node, issued, &cause).await,
            Err(error) => {
                let error = Error::from(error);
                issued.iter().map(|(_, mark)| Err(mark.doomed.as_ref().unwrap_or(&error).clone())).collect()
            }
        }
    }

    fn verdict(&self, node: &NodeCore, mark: &Mark, result: Committed) -> Verdict {
        match result {
            Committed::Done => Ok(()),
            Committed::Fenced { current } => {
                node.metrics.fenced.increment(1);
                let detail = format!(
                    "another node owns {} since epoch {current}; nothing was changed; call that node",
                    mark.key
                );
                Err(Error::unavailable(detail))
            }
            Committed::Conflict { head } => {
                let detail = format!(
                    "{} is at seq {head} in the store, which this node did not know: by a commit whose answer was lost, or by \
                     another program; nothing was changed; try again",
                    mark.key
                );
                Err(Error::unavailable(detail))
            }
            Committed::LeftOut => Err(left_out(&mark.key)),
            Committed::Unavailable => {
                let detail = format!("the database that holds {} is away; nothing was changed; try again", mark.key);
                Err(Error::unavailable(detail))
            }
        }
    }

    /// Settles a batch whose result is unknown by what the store holds now.
    ///
    /// A commit is known to be applied if the object's last commit is this one, or a later one of this
    /// node that builds on it. The head alone proves nothing: another owner may have moved it. A group
    /// is applied if one of its members is: there are no halves.
    async fn read_back(&self, node: &Arc<NodeCore>, issued: &[(Issued, Mark)], cause: &str) -> Vec<Verdict> {
        let mut last: FxHashMap<Key, (u64, bool)> = FxHashMap::default();
        for (_, mark) in issued.iter().filter(|(_, mark)| mark.doomed.is_none()) {
            last.insert(mark.key.clone(), (mark.id, mark.moves));
        }
        let is_there = async |(key, (id, moves)): (Key, (u64, bool))| {
            let found = self.load_patiently(&key).await;
            let of_ours = |found: u64| found == id || moves && node.is_later_commit(found, id);
            let applied = matches!(&found, Ok(Some(found)) if of_ours(found.commit_id));
            (key, applied)
        };
        // Side by side: while the store is away each takes its time.
        let durable: FxHashMap<Key, bool> =
            stream::iter(last).map(is_there).buffer_unordered(READ_BACK_AT_A_TIME).collect().await;
        let error = Error::new(
            Code::Unavailable,
            format!("{cause}; the effect may be there: read before you retry, or use an idempotency key"),
        )
        .maybe_applied(true);
        let proven = |mark: &Mark| durable.get(&mark.key) == Some(&true);
        let groups: FxHashSet<u64> =
            issued.iter().filter(|(_, mark)| proven(mark)).filter_map(|(_, mark)| mark.group).collect();
        let verdict = |mark: &Mark| match &mark.doomed {
            Some(doomed) => Err(doomed.clone()),
            None if proven(mark) || mark.group.is_some_and(|group| groups.contains(&group)) => Ok(()),
            None => Err(error.clone()),
        };
        issued.iter().map(|(_, mark)| verdict(mark)).collect()
    }

    async fn load_patiently(&self, key: &Key) -> Result<Option<abide_core::port::store::Loaded>, StoreError> {
        const TRIES: u32 = 5;
        let mut wait = Duration::from_millis(20);
        for _ in 1..TRIES {
            match self.store.load(key).await {
                Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => tokio::time::sleep(wait).await,
                answer => return answer,
            }
            wait *= 2;
        }
        self.store.load(key).await
    }
}

impl Queue {
    /// Takes what may go into the next batch: the oldest commits, without those that have to wait.
    fn take_ready(&mut self) -> Vec<(Commit, Issued)> {
        if self.headless.is_empty() && self.grouped == 0 {
            let take = self.waiting.len().min(BATCH_MAX);
            if take == self.waiting.len() {
                return std::mem::replace(&mut self.waiting, Vec::with_capacity(take));
            }
            let rest = self.waiting.split_off(take);
            return std::mem::replace(&mut self.waiting, rest);
        }
        let waits = self.who_waits();
        let (mut ready, mut rest) = (Vec::new(), Vec::new());
        for (waiting, waits) in std::mem::take(&mut self.waiting).into_iter().zip(waits) {
            if waits { rest.push(waiting) } else { ready.push(waiting) }
        }
        self.grouped = rest.iter().filter(|(commit, _)| commit.group.is_some()).count();
        self.waiting = rest;
        ready
    }

    /// Of each waiting commit, whether it has to wait on. A group goes as a whole or not at all, and
    /// commits of an object never pass one another.
    fn who_waits(&self) -> Vec<bool> {
        let mut waits = Vec::with_capacity(self.waiting.len());
        let mut held_back: FxHashSet<&Key> = FxHashSet::default();
        let mut taken = 0;
        for unit in self.waiting.chunk_by(|(a, _), (b, _)| a.group.is_some() && a.group == b.group) {
            let keys = || unit.iter().map(|(commit, _)| &commit.key);
            let stays = taken + unit.len() > BATCH_MAX
                || keys().any(|key| self.headless.contains(key) || held_back.contains(key));
            if stays {
                held_back.extend(keys());
            } else {
                taken += unit.len();
                // What follows a headless member must not succeed if the group is left out.
                let headless = unit.iter().filter(|(commit, _)| commit.group.is_some() && commit.changes.is_empty());
                held_back.extend(headless.map(|(commit, _)| &commit.key));
            }
            waits.resize(waits.len() + unit.len(), stays);
        }
        waits
    }
}

/// Why a member of a group was not committed that could have been.
fn left_out(key: &Key) -> Error {
    Error::unavailable(format!(
        "{key} was left as it is, because another object of its transaction could not be changed; \
         nothing was changed; try again"
    ))
}

/// The turns of a `behind` object that are answered but not yet written.
pub(crate) struct Behind {
    pub(crate) commit: Commit,
    pub(crate) issued: Issued,
    turns: usize,
    /// About how many bytes all but the state takes.
    bytes: usize,
}

/// An object owes the store no more turns or bytes than this before they are written, whatever its interval.
const OWED_TURNS_MAX: usize = 1024;
const OWED_BYTES_MAX: usize = 1 << 20;

impl Behind {
    pub(crate) fn new(commit: Commit, issued: Issued) -> Self {
        let bytes = weight(&commit);
        Self { commit, issued, turns: 1, bytes }
    }

    /// Whether it is so much that it is to be written now.
    pub(crate) fn is_much(&self) -> bool {
        self.turns >= OWED_TURNS_MAX || self.bytes >= OWED_BYTES_MAX
    }

    /// Adds a turn's commit to what is to be written. Gives all of it.
    pub(crate) fn merge(pending: &mut Option<Box<Self>>, commit: Commit, issued: Issued) -> &Self {
        match pending {
            Some(behind) => behind.add(commit, issued),
            None => *pending = Some(Box::new(Self::new(commit, issued))),
        }
        pending.as_deref().unwrap_or_else(|| unreachable!("BUG: what was put there is not there"))
    }

    fn add(&mut self, commit: Commit, issued: Issued) {
        self.turns += 1;
        self.bytes += weight(&commit);
        let Commit { id, incarnation, write, changes, trim, alarms, outbox, received, outcomes, .. } = commit;
        let into = &mut self.commit;
        into.id = id;
        into.incarnation = incarnation;
        if write != Write::Keep {
            into.write = write;
        }
        into.changes.extend(changes);
        into.trim = trim.or(into.trim);
        into.alarms.extend(alarms);
        into.outbox.extend(outbox);
        into.received.extend(received);
        into.outcomes.extend(outcomes);
        self.issued.changes.extend(issued.changes);
        self.issued.messages.extend(issued.messages);
        self.issued.signals.extend(issued.signals);
        self.issued.alarm = self.issued.alarm.into_iter().chain(issued.alarm).min();
    }
}

fn weight(commit: &Commit) -> usize {
    let changes = commit.changes.iter().map(|change| {
        change.json.as_str().len() + change.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_str().len())
    });
    let replies = commit.outcomes.iter().filter_map(|outcome| outcome.reply.as_ref().ok());
    let messages = commit.outbox.iter().map(|message| message.args.as_str().len());
    let alarms = commit.alarms.iter().map(|write| match write {
        AlarmWrite::Set(alarm) => alarm.payload.as_str().len(),
        AlarmWrite::Remove(name) => name.len(),
    });
    changes.chain(messages).chain(alarms).chain(replies.map(|reply| reply.as_str().len())).sum()
}

impl NodeCore {
    /// Writes what a `behind` object owes, one interval from now.
    pub(crate) fn flush_later(self: &Arc<Self>, activation: &Arc<Activation>, interval: Duration) {
        let (node, activation) = (self.clone(), activation.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = node.closing.cancelled() => {}
                () = tokio::time::sleep(interval) => {}
            }
            activation.take_behind_in_time(|behind| node.pipeline.submit(&node, behind.commit, behind.issued));
        });
    }

    /// Writes what a `behind` object owes now.
    pub(crate) fn flush(self: &Arc<Self>, activation: &Arc<Activation>) {
        activation.take_behind(|behind| self.pipeline.submit(self, behind.commit, behind.issued));
    }
}
