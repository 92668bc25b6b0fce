//! Watching an object: its changes without a gap, or a reset that says so.

use std::{collections::VecDeque, sync::Arc};

use abide_core::{Change, ChangeRecord, Error, Json, Key, Result, Seq};
use futures_core::Stream;

use crate::{
    hub::{Next, Subscription},
    node::NodeCore,
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

/// How many changes are read from the log at once.
const PAGE: usize = 256;

/// The changes of one object, one after the other without a gap. It never ends by itself while the
/// node runs; dropping it stops watching.
pub struct Changes {
    node: Arc<NodeCore>,
    key: Key,
    live: Subscription,
    at: Seq,
    /// Read from the log and not yet handed out.
    page: VecDeque<Update>,
    /// Whether the log has to be read before the live changes count.
    behind: bool,
}

impl NodeCore {
    pub(crate) async fn watch(self: &Arc<Self>, key: &Key, after: After) -> Result<Changes> {
        self.kinds.find(key.kind())?;
        let live = self.hub.subscribe(key);
        let at = match after {
            After::Now => self.head(key).await?,
            After::Start => Seq::ZERO,
            After::Seq(seq) => seq,
        };
        Ok(Changes {
            node: self.clone(),
            key: key.clone(),
            live,
            at,
            page: VecDeque::new(),
            behind: after != After::Now,
        })
    }
}

impl Changes {
    /// The seq up to which updates have been handed out.
    pub fn seq(&self) -> Seq {
        self.at
    }

    /// The next update; `None` when the node is shutting down.
    pub async fn next(&mut self) -> Option<Result<Update>> {
        loop {
            if let Some(update) = self.page.pop_front() {
                self.at = update.seq();
                return Some(Ok(update));
            }
            if self.behind {
                match self.read_log().await {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            }
            let next = tokio::select! {
                biased;
                next = self.live.next() => next,
                () = self.node.closing.cancelled() => return None,
            };
            match next {
                Next::Change(change) if change.seq <= self.at => {}
                Next::Change(change) if change.seq == self.at.next() => {
                    self.at = change.seq;
                    return Some(Ok(Update::Change(change)));
                }
                Next::Change(_) | Next::Missed => self.behind = true,
                Next::Closed => return None,
            }
        }
    }

    /// As a `Stream`.
    pub fn into_stream(self) -> impl Stream<Item = Result<Update>> + Send {
        futures_util::stream::unfold(
            self,
            |mut changes| async move { changes.next().await.map(|update| (update, changes)) },
        )
    }

    /// Reads the next page of the log; if it does not reach back to where this watcher is, resets it.
    async fn read_log(&mut self) -> Result<()> {
        let page = self.node.changes(&self.key, self.at, PAGE).await?;
        if self.at > page.head || self.at < page.floor {
            let reason = if self.at > page.head { ResetReason::Ahead } else { ResetReason::Trimmed };
            let now = self.node.durable_snapshot(&self.key).await?;
            let (seq, state) = match now {
                Some(now) => (now.seq, Some(now.state)),
                None => (page.head, None),
            };
            self.page.push_back(Update::Reset { reason, seq, state });
            return Ok(());
        }
        let dense = (1..).zip(&page.changes).all(|(i, change)| change.seq == self.at.plus(i));
        if !dense {
            return Err(Error::internal(format!("BUG: the log of {} has a gap after seq {}", self.key, self.at)));
        }
        self.behind = page.changes.last().is_some_and(|last| last.seq < page.head);
        self.page.extend(page.changes.into_iter().map(|change| Update::Change(Arc::new(change))));
        Ok(())
    }
}
