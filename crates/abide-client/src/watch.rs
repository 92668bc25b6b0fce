//! Watching an object of a server.

use std::{
    fmt,
    future::IntoFuture,
    sync::{Arc, atomic::Ordering},
};

use abide_core::{Code, Error, Json, Kind, Result, Seq, frame::SHOWN_BYTES_MAX, port::BoxFuture};
use serde::Serialize;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    calls::late,
    client::{Core, not_json},
    command::{Command, NewWatch, Start},
    link::closed,
    news::News,
    shelf::{Take, shelf},
};

/// How much is kept for a slow reader; the rest is asked for again when there is room.
const NEWS_MAX: usize = 256;
const NEWS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A watch that is about to begin: await it. It begins with the object's state.
#[must_use = "nothing is watched until it is awaited"]
pub struct Watcher {
    core: Arc<Core>,
    kind: String,
    id: String,
    start: Start,
    presence: bool,
}

impl Watcher {
    pub(crate) fn new(core: Arc<Core>, kind: &str, id: &str) -> Self {
        Self { core, kind: kind.to_owned(), id: id.to_owned(), start: Start::State, presence: false }
    }

    /// Begins with the changes after this seq instead of the state.
    pub fn after(mut self, seq: Seq) -> Self {
        self.start = Start::After(seq);
        self
    }

    /// Begins with whatever changes from now on instead of the state. It waits, as long as a call does, until the
    /// server says where the object is.
    pub fn from_now(mut self) -> Self {
        self.start = Start::Now;
        self
    }

    /// Hears who else is present, too, and can be present itself.
    pub fn presence(mut self) -> Self {
        self.presence = true;
        self
    }

    async fn begin(self) -> Result<Watch> {
        let Self { core, kind, id, start, presence } = self;
        let (sink, news) = shelf(NEWS_MAX, NEWS_BYTES_MAX);
        let (begun, at) = oneshot::channel();
        let n = core.fresh.fetch_add(1, Ordering::Relaxed);
        let watch = NewWatch { n, kind: Kind::new(&kind)?, id, start, presence, sink, begun };
        core.tell(Command::Watch(watch)).await?;
        let at = match timeout(core.timeout, at).await {
            Ok(at) => at.unwrap_or_else(|_| Err(closed()))?,
            Err(_) => return Err(late(false, core.status.borrow().error())),
        };
        Ok(Watch { core, n, at, presence, news })
    }
}

impl IntoFuture for Watcher {
    type Output = Result<Watch>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.begin())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watcher({}/{}, {:?})", self.kind, self.id, self.start)
    }
}

/// What happens to an object, in order and without a gap, or with a reset that says so. It outlives broken
/// connections; dropping it ends the watch.
pub struct Watch {
    core: Arc<Core>,
    n: u64,
    at: Seq,
    presence: bool,
    news: Take,
}

impl Watch {
    /// What comes next. An error is the end: the server refuses the watch, or the client was closed. `None` comes
    /// after it.
    pub async fn next(&mut self) -> Option<Result<News>> {
        let news = self.news.next().await?;
        match &news {
            Ok(News::Snapshot { seq, .. } | News::Reset { seq, .. }) => self.at = *seq,
            Ok(News::Change(change)) => self.at = change.seq,
            Ok(News::Broadcast { .. } | News::Presence { .. }) | Err(_) => {}
        }
        Some(news)
    }

    /// The seq up to which the object is known from this watch.
    pub fn seq(&self) -> Seq {
        self.at
    }

    /// Shows this to others beside the object (up to 4 KiB), until it is taken back, the watch ends or the
    /// connection is lost; it is shown again on the next one.
    ///
    /// A server that refuses it does not end the watch. What may go well later (too many are there, or the
    /// caller's share is used up) is tried again until it does; anything else is a warning in the log.
    ///
    /// # Errors
    /// `bad_request` if the watch was begun without [`Watcher::presence`], `too_large` beyond 4 KiB; nothing was
    /// shown then.
    pub async fn present(&self, data: impl Serialize) -> Result<()> {
        let data = Json::of(&data).map_err(not_json)?;
        let bytes = data.as_str().len();
        if bytes > SHOWN_BYTES_MAX {
            let detail =
                format!("what a client shows has at most {SHOWN_BYTES_MAX} bytes, this has {bytes}; nothing was shown");
            return Err(Error::new(Code::TooLarge, detail));
        }
        self.show(Some(data)).await
    }

    /// Takes back what [`Watch::present`] shows.
    pub async fn absent(&self) -> Result<()> {
        self.show(None).await
    }

    async fn show(&self, data: Option<Json>) -> Result<()> {
        if !self.presence {
            return Err(Error::bad_request(
                "who is to be present beside an object watches it with `.presence()`; nothing was shown",
            ));
        }
        self.core.tell(Command::Present { n: self.n, data }).await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // If there is no room, the connection finds out by itself.
        let _ = self.core.commands.try_send(Command::Unwatch(self.n));
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({} at {})", self.n, self.at)
    }
}
