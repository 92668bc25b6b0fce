//! Watching an object: its changes without a gap, or a reset that says so.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    Change, ChangeRecord, Error, Json, Key, Result, Seq, frame,
    port::{Following, Told},
};
use futures_core::Stream;

use crate::{
    hub::{Next, Subscription},
    node::NodeCore,
    object::Durability,
    options::Mutant,
    page::{PAGE_BYTES, Page},
};

/// From where on to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Only what comes from now on.
    Now,
    /// Everything that is kept: the first item is a reset if the beginning is not.
    Start,
    /// Everything after this seq, seen before.
    Seq(Seq),
}

/// What a watcher receives.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The next change.
    Change(Arc<ChangeRecord>),
    /// The position asked for is not kept any more: forget what you know, this is the state now.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The seq the state reflects.
        seq: Seq,
        /// The state; `None` if the object is not there.
        state: Option<Json>,
    },
}

/// Why a watcher was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The changes asked for are no longer kept.
    Trimmed,
    /// The position asked for has not been reached: it belongs to another life of the object.
    Ahead,
}

/// Ephemeral data for whoever watches an object: kept nowhere, lost by whoever is not listening.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The client that sent it; `None` if the object itself did.
    pub from: Option<Arc<str>>,
    /// The data.
    pub data: Json,
}

/// What a watcher hears who listens to everything: see [`Changes::news`].
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The object changed, or its state starts anew.
    Update(Update),
    /// Somebody sent ephemeral data.
    Broadcast(Arc<Broadcast>),
    /// A client is present with this data, or (`None`) is present no longer.
    Presence(Arc<(Arc<str>, Option<Json>)>),
    /// Everybody who is present, after some of it was missed.
    Members(BTreeMap<Arc<str>, Json>),
}

/// What comes next for a watcher that reads whole states itself: see [`Changes::step`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// News, at hand.
    News(News),
    /// The changes that would come next are not kept: [`Changes::reset`] reads the state now.
    Gap(ResetReason),
}

impl ResetReason {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Ahead => "ahead",
        }
    }
}

impl Update {
    /// The seq up to which the watcher knows the object after this update.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Change(change) => change.seq,
            Self::Reset { seq, .. } => *seq,
        }
    }

    /// The change, decoded; `None` for a reset.
    pub fn change(&self) -> Option<Change> {
        match self {
            Self::Change(record) => record.decode().ok(),
            Self::Reset { .. } => None,
        }
    }
}

/// How many changes are read from the log at once: few at first and where they are long, since what does not
/// fit into a page is read again.
const PAGE_FIRST: usize = 8;
const PAGE_MAX: usize = 256;

/// The changes of one object, one after the other without a gap. It never ends by itself while the
/// node runs; dropping it stops watching.
pub struct Changes(Source);

enum Source {
    Here(LocalChanges),
    /// Of an object elsewhere.
    There(Box<dyn Following>),
}

/// The changes of an object of this node.
struct LocalChanges {
    node: Arc<NodeCore>,
    key: Key,
    live: Subscription,
    at: Seq,
    /// Read from the log and not yet handed out.
    page: Page,
    /// How many the next page has.
    page_len: usize,
    /// Whether the log has to be read before the live changes count.
    behind: bool,
    /// Whether ephemeral news may have been missed.
    deaf: bool,
}

/// A watch that has begun, though nothing was read of its object: what happens to it from here on is kept.
pub struct Beginning {
    node: Arc<NodeCore>,
    key: Key,
    live: Subscription,
    behind: bool,
}

impl NodeCore {
    pub(crate) fn begin_watch(self: &Arc<Self>, key: &Key) -> Result<Beginning> {
        let kind = self.kinds.find(key.kind())?;
        let behind = matches!(kind.options.durability, Durability::Behind(_));
        Ok(Beginning { node: self.clone(), key: key.clone(), live: self.hub.subscribe(key), behind })
    }

    pub(crate) async fn watch(self: &Arc<Self>, key: &Key, after: After) -> Result<Changes> {
        self.begin_watch(key)?.after(after).await
    }

    /// The object's state, and its changes from there on.
    pub(crate) async fn watch_state(self: &Arc<Self>, key: &Key) -> Result<(Option<Json>, Changes)> {
        self.begin_watch(key)?.state().await
    }
}

impl Beginning {
    /// The object's changes from there on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn after(self, after: After) -> Result<Changes> {
        let at = match after {
            After::Now => self.node.head(&self.key).await?,
            After::Start => Seq::ZERO,
            After::Seq(seq) => seq,
        };
        Ok(self.changes(at, after != After::Now))
    }

    /// The object's state now (`None` if it is not there), and its changes from there on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn state(self) -> Result<(Option<Json>, Changes)> {
        let (at, state) = self.node.state_now(&self.key, self.behind).await?;
        Ok((state, self.changes(at, false)))
    }

    fn changes(self, at: Seq, behind: bool) -> Changes {
        let Self { node, key, live, .. } = self;
        let (page, page_len) = (Page::new(node.hub.pages().clone()), PAGE_FIRST);
        Changes::here(LocalChanges { node, key, live, at, page, page_len, behind, deaf: false })
    }
}

impl Changes {
    fn here(changes: LocalChanges) -> Self {
        Self(Source::Here(changes))
    }

    /// Of an object elsewhere.
    pub(crate) fn over(following: Box<dyn Following>) -> Self {
        Self(Source::There(following))
    }

    /// The seq up to which updates have been handed out.
    pub fn seq(&self) -> Seq {
        match &self.0 {
            Source::Here(changes) => changes.at,
            Source::There(following) => following.seq(),
        }
    }

    /// The next update; `None` when the node is shutting down.
    pub async fn next(&mut self) -> Option<Result<Update>> {
        loop {
            match self.news().await? {
                Ok(News::Update(update)) => return Some(Ok(update)),
                Ok(News::Broadcast(_) | News::Presence(_) | News::Members(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Who is present beside the object now; nobody, as far as is known, if the object is elsewhere.
    pub fn members(&self) -> BTreeMap<Arc<str>, Json> {
        match &self.0 {
            Source::Here(changes) => changes.members(),
            Source::There(_) => BTreeMap::new(),
        }
    }

    /// What comes next, be it an update or ephemeral; `None` when the node is shutting down. Of an object elsewhere
    /// only updates come.
    pub async fn news(&mut self) -> Option<Result<News>> {
        Some(match self.step().await? {
            Ok(Step::News(news)) => Ok(news),
            // Rare, and large while it lasts: an idle watcher does not carry it.
            Ok(Step::Gap(reason)) => Box::pin(self.reset(reason)).await.map(News::Update),
            Err(error) => Err(error),
        })
    }

    /// The same for a watcher that has to wait before it reads a whole state, which may be large: a gap is said, and
    /// said again until [`Changes::reset`] has read the state.
    pub async fn step(&mut self) -> Option<Result<Step>> {
        match &mut self.0 {
            Source::Here(changes) => changes.step().await,
            Source::There(following) => Some(following.next().await?.map(|told| Step::News(News::Update(told.into())))),
        }
    }

    /// The state now, after a [`Step::Gap`] for this reason; the changes go on from there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reset(&mut self, reason: ResetReason) -> Result<Update> {
        match &mut self.0 {
            Source::Here(changes) => changes.reset(reason).await,
            Source::There(_) => Err(Error::internal("BUG: an object elsewhere tells its state itself")),
        }
    }

    /// As a `Stream`.
    pub fn into_stream(self) -> impl Stream<Item = Result<Update>> + Send {
        futures_util::stream::unfold(
            self,
            |mut changes| async move { changes.next().await.map(|update| (update, changes)) },
        )
    }
}

impl From<Told> for Update {
    fn from(told: Told) -> Self {
        match told {
            Told::Change(change) => Self::Change(change),
            Told::Reset { reason, seq, state } => {
                let reason = match reason {
                    frame::ResetReason::Ahead => ResetReason::Ahead,
                    frame::ResetReason::Trimmed | frame::ResetReason::Recreated | frame::ResetReason::Other => {
                        ResetReason::Trimmed
                    }
                };
                Self::Reset { reason, seq, state }
            }
        }
    }
}

impl LocalChanges {
    fn members(&self) -> BTreeMap<Arc<str>, Json> {
        self.node.hub.members(&self.key)
    }

    async fn step(&mut self) -> Option<Result<Step>> {
        let news = |news| Some(Ok(Step::News(news)));
        loop {
            if self.page.is_empty() && self.behind {
                // Rare, and large while it lasts: an idle watcher does not carry it.
                match Box::pin(self.read_log()).await {
                    Ok(None) => {}
                    Ok(Some(reason)) => return Some(Ok(Step::Gap(reason))),
                    Err(error) => return Some(Err(error)),
                }
            }
            if let Some(change) = self.page.pop() {
                self.at = change.seq;
                return news(News::Update(Update::Change(Arc::new(change))));
            }
            if std::mem::take(&mut self.deaf) {
                return news(News::Members(self.members()));
            }
            let next = tokio::select! {
                biased;
                next = self.live.next() => next,
                () = self.node.closing.cancelled() => return None,
            };
            match next {
                Next::Change(change) if change.seq <= self.at => {}
                Next::Change(change) if change.seq == self.at.next() || self.is(Mutant::MissedUnnoticed) => {
                    self.at = change.seq;
                    return news(News::Update(Update::Change(change)));
                }
                Next::Change(_) => self.behind = true,
                Next::Missed if self.is(Mutant::MissedUnnoticed) => {}
                Next::Missed => (self.behind, self.deaf) = (true, true),
                Next::Broadcast(broadcast) => return news(News::Broadcast(broadcast)),
                Next::Presence(member) => return news(News::Presence(member)),
                Next::Closed => return None,
            }
        }
    }

    async fn reset(&mut self, reason: ResetReason) -> Result<Update> {
        let (seq, state) = self.node.state_now(&self.key, true).await?;
        self.at = seq;
        Ok(Update::Reset { reason, seq, state })
    }

    /// Reads the next page of the log; if it does not reach back to where this watcher is, says why.
    async fn read_log(&mut self) -> Result<Option<ResetReason>> {
        let page = self.node.changes(&self.key, self.at, self.page_len).await?;
        let read = page.changes.len();
        let bytes: usize = page.changes.iter().map(|change| change.json.as_str().len()).sum();
        let trimmed = self.at < page.floor && !self.is(Mutant::TrimmedUnnoticed);
        if self.at > page.head || trimmed {
            return Ok(Some(if self.at > page.head { ResetReason::Ahead } else { ResetReason::Trimmed }));
        }
        let dense = (1..).zip(&page.changes).all(|(i, change)| change.seq == self.at.plus(i));
        if !dense && !self.is(Mutant::TrimmedUnnoticed) {
            return Err(Error::internal(format!("BUG: the log of {} has a gap after seq {}", self.key, self.at)));
        }
        let more = page.changes.last().is_some_and(|last| last.seq < page.head);
        if !more && self.is(Mutant::PageDropped) {
            (self.at, self.behind) = (page.head, false);
            return Ok(None);
        }
        let kept = self.page.fill(page.changes);
        self.page_len = next_len(self.page_len, bytes, read, kept);
        self.behind = kept < read || more;
        Ok(None)
    }

    /// Whether the node is broken in this way on purpose.
    fn is(&self, mutant: Mutant) -> bool {
        self.node.options.mutant(mutant)
    }
}

/// How many changes to read next, after `read` of so many bytes were read, and `kept` of them kept.
fn next_len(len: usize, bytes: usize, read: usize, kept: usize) -> usize {
    let next = match bytes {
        _ if kept < read => kept,
        0..PAGE_BYTES => len * 2,
        _ => len / 2,
    };
    next.clamp(1, PAGE_MAX)
}

#[cfg(test)]
mod tests {
    use abide_core::{ChangeRecord, Timestamp};

    use super::*;
    use crate::page::PageRoom;

    fn log(from: usize, to: usize) -> Vec<ChangeRecord> {
        let seq = |n| Seq::new(u64::try_from(n).unwrap());
        let change = |n| ChangeRecord { seq: seq(n), at: Timestamp::EPOCH, json: Json::null(), snapshot: None };
        (from..to).map(change).collect()
    }

    /// How many rows are read until so many changes are handed out.
    fn rows_read(room: usize, changes: usize) -> usize {
        let mut page = Page::new(Arc::new(PageRoom::new(room)));
        let (mut at, mut rows, mut len) = (0, 0, PAGE_FIRST);
        while at < changes {
            let read = log(at, changes.min(at + len));
            let (count, bytes) = (read.len(), read.iter().map(|change| change.json.as_str().len()).sum());
            rows += count;
            let kept = page.fill(read);
            len = next_len(len, bytes, count, kept);
            at += std::iter::from_fn(|| page.pop()).count();
        }
        rows
    }

    #[test]
    fn what_is_not_kept_is_not_read_again_and_again() {
        assert_eq!(rows_read(1 << 20, 10_000), 10_000, "where there is room each is read once");
        for room in [0, 1000] {
            let rows = rows_read(room, 10_000);
            assert!(rows <= 25_000, "{rows} rows were read with room for {room} bytes");
        }
    }
}
