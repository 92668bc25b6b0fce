//! The handle of a connection.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use abide_core::{
    ClientFrame, Error, Json, Kind, Result, Seq, Timestamp,
    frame::{self, fits_broadcast},
    port::{Repeat, Request, Search, SearchPage, store::Listed},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    builder::Builder,
    call::Call,
    calls::late,
    command::{Answer, Command, NewCall, fresh_key},
    desk::Desk,
    feed::{PUSHES_MAX, Push, Pushes},
    link::{Link, closed, start},
    options::{COMMANDS_MAX, Options},
    status::Status,
    watch::Watcher,
};

/// No call waits longer than this.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection to a server that is made again whenever it breaks. Cloning is cheap; the connection ends with
/// the last clone and the last watch, or with [`Client::close`].
#[derive(Clone)]
pub struct Client {
    core: Arc<Core>,
}

pub(crate) struct Core {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) fresh: Arc<AtomicU64>,
    pub(crate) status: watch::Receiver<Status>,
    id: Arc<Mutex<Option<String>>>,
    pushes: broadcast::Receiver<Push>,
    /// Listening from the beginning, for the first who asks.
    first: Mutex<Option<broadcast::Receiver<Push>>>,
    pub(crate) timeout: Duration,
}

impl Client {
    /// Connects to `http://host:port` or `https://host`: [`Builder::connect`] with one address.
    pub async fn connect(url: impl Into<String>) -> Result<Self> {
        Self::builder().address(url).connect().await
    }

    /// Begins to describe a client: several addresses, a token, a session, times.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn over(options: Options) -> Self {
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let (told, status) = watch::channel(Status::Connecting);
        let (push, pushes) = broadcast::channel(PUSHES_MAX);
        let (fresh, id) = (Arc::new(AtomicU64::new(1)), Arc::new(Mutex::new(None)));
        let first = Mutex::new(Some(push.subscribe()));
        let timeout = options.timeout;
        let link = Link::new(options, Desk::new(fresh.clone(), push), asked, told, id.clone());
        start(link.run());
        Self { core: Arc::new(Core { commands, fresh, status, id, pushes, first, timeout }) }
    }

    /// A call by names: await it, or say more first. The answer is decoded as `R`.
    pub fn call<R>(&self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> Call<R> {
        Call::new(self.clone(), request(kind, id, handler, &args))
    }

    /// Reads an object's durable state; `None` if it is not there.
    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Listed>> {
        let (kind, id) = (Kind::new(kind)?, id.to_owned());
        let (found, _) =
            self.ask(|n| ClientFrame::Get(frame::Get { n, kind, id, at: None }), Repeat::Freely, None).await?;
        Ok(found.decode::<Option<Whole>>().map_err(unread)?.map(Listed::from))
    }

    /// Deletes an object; whether it was there. It is sent once at most: sent again after a broken connection, it
    /// could end what somebody has created since.
    ///
    /// # Errors
    /// `unavailable` if the connection broke before the answer; the object may be deleted then.
    pub async fn delete(&self, kind: &str, id: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Deleted {
            deleted: bool,
        }
        let (kind, id) = (Kind::new(kind)?, id.to_owned());
        let (done, _) = self.ask(|n| ClientFrame::Delete(frame::Delete { n, kind, id }), Repeat::Never, None).await?;
        Ok(done.decode::<Deleted>().map_err(unread)?.deleted)
    }

    /// Lists objects of a kind, page by page. The state of an object that the caller may list but not watch is
    /// `null`.
    pub async fn list(&self, search: Search) -> Result<SearchPage> {
        #[derive(Deserialize)]
        struct Page {
            objects: Vec<Whole>,
            cursor: Option<String>,
        }
        let Search { kind, prefix, filter, order, cursor, limit } = search;
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let (filter, order) = (filter.map(|filter| filter.to_string()), order.map(|order| order.to_string()));
        let limit = limit.map(|limit| limit as u64);
        let list = |n| ClientFrame::List(frame::List { n, kind, prefix, filter, order, cursor, limit });
        let (page, _) = self.ask(list, Repeat::Freely, None).await?;
        let Page { objects, cursor } = page.decode().map_err(unread)?;
        Ok(SearchPage { objects: objects.into_iter().map(Listed::from).collect(), cursor })
    }

    /// Watches an object: await it, or say more first. A server that refuses it says so in the first news.
    pub fn watch(&self, kind: &str, id: &str) -> Watcher {
        Watcher::new(self.core.clone(), kind, id)
    }

    /// Sends ephemeral data (64 KiB at most) to everyone else who watches an object. It is kept nowhere.
    ///
    /// # Errors
    /// `unavailable` if there is no connection; `too_large` and `overloaded`. It was not sent then.
    pub async fn send(&self, kind: &str, id: &str, data: impl Serialize) -> Result<()> {
        let data = Json::of(&data).map_err(not_json)?;
        fits_broadcast(&data)?;
        let (refused, answer) = oneshot::channel();
        let command = Command::Send { kind: Kind::new(kind)?, id: id.to_owned(), data, refused };
        self.core.tell(command).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// What is pushed to this client. The first reader hears it from the beginning (the last 256), others from
    /// now on.
    pub fn pushes(&self) -> Pushes {
        let first = self.core.first.lock().take();
        Pushes(first.unwrap_or_else(|| self.core.pushes.resubscribe()))
    }

    /// How the connection is.
    pub fn status(&self) -> Status {
        self.core.status.borrow().clone()
    }

    /// How the connection is, live.
    pub fn statuses(&self) -> watch::Receiver<Status> {
        self.core.status.clone()
    }

    /// The id that the server gave this client; `None` before the first welcome. It is another one when the
    /// client came back too late, or to a server that was started again: then its session is new, too.
    pub fn id(&self) -> Option<String> {
        self.core.id.lock().clone()
    }

    /// Says goodbye, and ends the connection. Calls without an answer fail.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.core.commands.send(Command::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Waits until every address was tried once.
    pub(crate) async fn attempted(&self) -> Result<()> {
        let mut status = self.core.status.clone();
        let Ok(now) = status.wait_for(|now| *now != Status::Connecting).await else { return Err(closed()) };
        match &*now {
            Status::Closed(error) => Err(error.clone()),
            Status::Connecting | Status::Online | Status::Offline(_) => Ok(()),
        }
    }

    pub(crate) async fn make(self, request: Request) -> Answer {
        let Request { kind, id, handler, args, repeat, timeout } = request;
        let key = match &repeat {
            Repeat::Keyed(Some(key)) => Some(key.to_string()),
            Repeat::Keyed(None) => Some(fresh_key()),
            Repeat::Never | Repeat::Freely => None,
        };
        let call = |n| ClientFrame::Call(frame::Call { n, kind, id, handler, args, key, timeout_ms: None });
        self.ask(call, repeat, timeout).await
    }

    /// Sends a frame that is answered by a `result`, and waits for that.
    async fn ask(&self, frame: impl FnOnce(u64) -> ClientFrame, repeat: Repeat, timeout: Option<Duration>) -> Answer {
        let deadline = Instant::now() + timeout.unwrap_or(self.core.timeout).min(TIMEOUT_MAX);
        let (sink, answer) = oneshot::channel();
        let n = self.core.fresh.fetch_add(1, Ordering::Relaxed);
        let command = Command::Call(NewCall { n, frame: frame(n), repeat, deadline, sink });
        match timeout_at(deadline, self.core.commands.send(command)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(closed()),
            Err(_) => return Err(late(false, self.status().error())),
        }
        let mut given_up = GivenUp { commands: &self.core.commands, n: Some(n) };
        let answer = answer.await;
        given_up.n = None;
        answer.unwrap_or_else(|_| Err(Error::internal("BUG: a call was dropped without an answer").maybe_applied(true)))
    }
}

impl Core {
    pub(crate) async fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| closed())
    }
}

/// Tells the connection when nobody waits for a call any more.
struct GivenUp<'a> {
    commands: &'a mpsc::Sender<Command>,
    n: Option<u64>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(n) = self.n {
            // If there is no room, the connection finds out by itself.
            let _ = self.commands.try_send(Command::Cancel(n));
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id()).field("status", &self.status()).finish()
    }
}

/// An object as the server gives it.
#[derive(Deserialize)]
struct Whole {
    id: String,
    seq: Seq,
    /// Left out where the caller may not see it.
    #[serde(default = "Json::null")]
    state: Json,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Whole> for Listed {
    fn from(whole: Whole) -> Self {
        let Whole { id, seq, state, created_at, updated_at } = whole;
        Self { id, seq, state, created_at, updated_at }
    }
}

fn unread(error: impl fmt::Display) -> Error {
    Error::internal(format!("the server's answer cannot be read: {error}"))
}

pub(crate) fn not_json(error: impl fmt::Display) -> Error {
    Error::bad_request(format!("this cannot be written as JSON: {error}; nothing was changed"))
}

fn request(kind: &str, id: &str, handler: &str, args: &impl Serialize) -> Result<Request> {
    Ok(Request {
        kind: Kind::new(kind)?,
        id: id.to_owned(),
        handler: handler.to_owned(),
        args: Json::of(args).map_err(not_json)?,
        repeat: Repeat::Keyed(None),
        timeout: None,
    })
}
