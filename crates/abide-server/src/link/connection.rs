//! A connection: frames in, frames out, by one task that holds no more than its limits allow.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use abide_core::{
    ClientFrame, Code, Error, Json, Key, Kind, Result,
    frame::{Call, Delete, Ephemeral, Get, List, Present, Watch},
};
use abide_node::{CALL_KEY_BYTES_MAX, CallOptions, Pushed, Reply};
use axum::http::HeaderMap;
use futures_util::{
    FutureExt, Stream, StreamExt, TryFutureExt,
    future::{AbortHandle, Abortable},
    stream::{self, FuturesUnordered, SelectAll},
};
use metrics::gauge;
use rustc_hash::FxHashMap;
use tokio::{
    task::unconstrained,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Answered, Arrived, End, Link, Lost, Who, asking, hello, text,
    watching::{Told, Watching},
    who::foreign_session,
};
use crate::{
    connection::Connected,
    peer::Peer,
    places::Held,
    reads::{self, Reads, Turn},
    request::arguments,
    session::Visit,
    shared::Shared,
};

/// So many frames that mean nothing end a connection.
const FAULTS_MAX: u32 = 100;

/// After so many events what was written is sent, though more is ready.
const EVENTS_TOGETHER: u32 = 64;

/// After so many events the clock and the server are heard, though more is ready.
const EVENTS_UNTIL_SIGNALS: u32 = 64;

/// The shortest and the longest wait that a client is told when the server stops, in milliseconds.
const RECONNECT_MS: (u64, u64) = (100, 3000);

/// What opened a connection.
pub(crate) struct Opening {
    /// The headers of the request.
    pub(crate) headers: HeaderMap,
    /// Where it came from.
    pub(crate) peer: Peer,
    /// Its place among those of whom it is not known yet who they are.
    pub(crate) stranger: Held,
    /// Whether nothing else comes over the connection that carries it.
    pub(crate) alone: bool,
}

type Answers = FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + Send>>>;
type Answer = (u64, Option<Result<Answered>>);
type Watches = SelectAll<Pin<Box<dyn Stream<Item = (u64, Told)> + Send>>>;
/// What rarely happens; it is looked at only when it does, not with every frame.
type Signals = SelectAll<Pin<Box<dyn Stream<Item = Signal> + Send>>>;

/// A client that was let in, and all that is under way for it.
pub(crate) struct Connection<L> {
    shared: Arc<Shared>,
    link: L,
    who: Who,
    visit: Visit,
    calls: Answers,
    watches: Watches,
    /// What the numbers that are in use stand for.
    open: FxHashMap<u64, Open>,
    watched: usize,
    /// The number of the last push that was sent.
    pushed: u64,
    faults: u32,
    /// Whether anything has arrived since the last beat.
    heard: bool,
    /// Whether the other side was asked for a sign of life since.
    asked: bool,
    signals: Signals,
    /// How many events there were since the signals were last heard.
    unheard: u32,
    /// Turns to read lists and states, and the states of what it begins to watch.
    reads: Reads,
    begins: Reads,
    /// Whether the link goes first, the next time.
    link_first: bool,
    /// Whether there is something to send.
    unsent: bool,
}

enum Open {
    Call(AbortHandle),
    Watch { stop: AbortHandle, key: Key, present: bool },
}

/// What a connection has to do next.
enum Event<T> {
    Arrived(Arrived<T>),
    Answered(Answer),
    Told(u64, Told),
    Pushed(Pushed),
    Signal(Signal),
}

/// What a connection is told by the server and the clock.
enum Signal {
    Beat,
    Unknown(Error),
    Draining,
    Closing,
    Replaced,
}

/// How a connection ended.
enum Ended {
    /// By us.
    Closed(End),
    /// By the other side, that has said so.
    Over { finally: bool },
    /// By nobody: the other side is gone.
    Lost,
}

impl From<Lost> for Ended {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

impl<L: Link> Connection<L> {
    /// Serves a link from its first frame to its end.
    pub(crate) async fn serve(shared: Arc<Shared>, link: L, opening: Opening) {
        let _connected = Connected::new(&gauge!("abide_clients_connected"));
        // What happens once has its memory for itself, and gives it back.
        let Some(mut connection) = Box::pin(Self::begin(shared, link, opening)).await else { return };
        let ended = connection.run().await;
        Box::pin(connection.finish(ended)).await;
    }

    /// Lets a client in by its first frame, and welcomes it; `None` if it did not come so far.
    async fn begin(shared: Arc<Shared>, mut link: L, opening: Opening) -> Option<Box<Self>> {
        let first = timeout(shared.limits.hello_timeout, hello::first(&mut link));
        let frame = match first.await {
            Ok(Ok(frame)) => frame,
            Ok(Err(Some((error, end)))) => {
                hello::refuse(&shared, &mut link, &error, end).await;
                return None;
            }
            Ok(Err(None)) => {
                hello::answer_goodbye(&shared, &mut link).await;
                return None;
            }
            Err(_) => {
                let error = Error::new(Code::Deadline, "there was no `hello` in time; connect again");
                hello::refuse(&shared, &mut link, &error, End::Refused).await;
                return None;
            }
        };
        let (who, visit) = match hello::admit(&shared, &opening, frame.as_ref()).await {
            Ok(admitted) => admitted,
            Err(error) => {
                hello::refuse(&shared, &mut link, &error, End::Refused).await;
                return None;
            }
        };
        let reads = reads_of(&opening, &who);
        // Its place among those of whom nothing is known is free again.
        drop(opening.stranger);
        link.admitted();
        let welcome = hello::welcome(&shared, &who, &visit);
        let mut connection = Box::new(Self::new(shared, link, who, visit, reads));
        match connection.write(welcome).await {
            Ok(()) => Some(connection),
            Err(lost) => {
                connection.finish(lost).await;
                None
            }
        }
    }

    fn new(shared: Arc<Shared>, link: L, who: Who, visit: Visit, [reads, begins]: [Reads; 2]) -> Self {
        Self {
            link,
            signals: signals(&shared, &who, &visit),
            unheard: 0,
            reads,
            begins,
            who,
            calls: FuturesUnordered::new(),
            watches: SelectAll::new(),
            open: FxHashMap::default(),
            watched: 0,
            pushed: visit.pushed,
            faults: 0,
            heard: true,
            asked: false,
            link_first: true,
            unsent: false,
            visit,
            shared,
        }
    }

    /// Answers until the link is over.
    async fn run(&mut self) -> Ended {
        let mut together = 0;
        loop {
            if together >= EVENTS_TOGETHER
                && let Err(lost) = self.flush().await
            {
                return lost;
            }
            together = if self.unsent { together + 1 } else { 0 };
            let next = poll_fn(|cx| self.poll_event_or_quiet(cx)).await;
            let done = match next {
                Some(event) => self.handle(event).await,
                None => self.flush().await,
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    /// What comes next; `None` when nothing does by now and something waits to be sent.
    fn poll_event_or_quiet(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event<L::Text>>> {
        match self.poll_event(cx) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending if self.unsent => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event<L::Text>> {
        self.unheard += 1;
        // However busy its client keeps a connection, it ends when it has to.
        if self.unheard >= EVENTS_UNTIL_SIGNALS
            && let Poll::Ready(signal) = self.poll_signal(cx)
        {
            return Poll::Ready(Event::Signal(signal));
        }
        self.link_first = !self.link_first;
        if self.link_first
            && let Poll::Ready(arrived) = self.link.poll_arrived(cx)
        {
            return Poll::Ready(Event::Arrived(arrived));
        }
        if let Poll::Ready(Some(answer)) = self.calls.poll_next_unpin(cx) {
            return Poll::Ready(Event::Answered(answer));
        }
        if let Poll::Ready(Some((n, told))) = self.watches.poll_next_unpin(cx) {
            return Poll::Ready(Event::Told(n, told));
        }
        if let Poll::Ready(pushed) = self.visit.pushes.poll_pushed(cx, self.pushed) {
            return Poll::Ready(Event::Pushed(pushed));
        }
        if !self.link_first
            && let Poll::Ready(arrived) = self.link.poll_arrived(cx)
        {
            return Poll::Ready(Event::Arrived(arrived));
        }
        self.poll_signal(cx).map(Event::Signal)
    }

    /// What is told by the server and the clock, also where the connection has had its share of this thread:
    /// otherwise nothing would be, to one that always has.
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        self.unheard = 0;
        match unconstrained(self.signals.next()).poll_unpin(cx) {
            Poll::Ready(Some(signal)) => Poll::Ready(signal),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    async fn handle(&mut self, event: Event<L::Text>) -> Result<(), Ended> {
        match event {
            Event::Arrived(arrived) => {
                self.heard = true;
                self.take(arrived).await
            }
            Event::Answered((n, answer)) => {
                self.open.remove(&n);
                match answer {
                    Some(answer) => self.answer(n, answer).await,
                    None => Ok(()),
                }
            }
            Event::Told(n, mut told) => {
                if matches!(told, Told::Failed(_)) {
                    self.unwatch(n);
                }
                let turn = told.turn();
                self.write_in_turn(told.text(n), turn).await
            }
            Event::Pushed(pushed) => {
                self.pushed += pushed.missed;
                for (p, data) in pushed.pushes {
                    self.write(text::push(p, &data)).await?;
                    self.pushed = p;
                }
                Ok(())
            }
            Event::Signal(signal) => self.obey_signal(signal).await,
        }
    }

    async fn obey_signal(&mut self, signal: Signal) -> Result<(), Ended> {
        match signal {
            Signal::Beat => self.beat().await,
            Signal::Unknown(error) => {
                self.write(text::error(None, &error)).await?;
                Err(Ended::Closed(End::Unknown))
            }
            Signal::Draining => self.write(text::goaway(reconnect_in_ms())).await,
            Signal::Closing => Err(Ended::Closed(End::Stopping)),
            Signal::Replaced => Err(Ended::Closed(End::Replaced)),
        }
    }

    async fn take(&mut self, arrived: Arrived<L::Text>) -> Result<(), Ended> {
        match arrived {
            Arrived::Life => Ok(()),
            Arrived::Over { finally } => Err(Ended::Over { finally }),
            Arrived::Refused(error) => self.fault(None, &error).await,
            Arrived::Broken(error, end) => {
                self.write(text::error(None, &error)).await?;
                Err(Ended::Closed(end))
            }
            Arrived::Frame(text) => {
                let text = text.as_ref();
                match ClientFrame::parse(text, self.shared.limits.frame_bytes) {
                    Ok(frame) => self.obey(frame).await,
                    Err(error) => {
                        let short = text.len() <= self.shared.limits.frame_bytes;
                        let n = if short { ClientFrame::number_in(text) } else { None };
                        // The answer to a number that is in use would be taken for another's.
                        let n = n.filter(|n| !self.open.contains_key(n));
                        self.fault(n, &error.into()).await
                    }
                }
            }
        }
    }

    async fn obey(&mut self, frame: ClientFrame) -> Result<(), Ended> {
        if let Some(n) = cost(&frame)
            && let Err(error) = self.who.spend(&self.shared)
        {
            if let ClientFrame::Present(present) = &frame {
                return self.write(text::not_shown(present.n, &error)).await;
            }
            // The answer to a number that is in use would be taken for another's.
            let n = n.filter(|n| !self.open.contains_key(n));
            return self.write(text::error(n, &error)).await;
        }
        match frame {
            ClientFrame::Call(call) => self.call(call).await,
            ClientFrame::Get(get) => self.get(get).await,
            ClientFrame::Delete(delete) => self.delete(delete).await,
            ClientFrame::List(list) => self.list(list).await,
            ClientFrame::Watch(watch) => self.watch(watch).await,
            ClientFrame::Cancel { n } => {
                if let Some(Open::Call(stop)) = self.open.get(&n) {
                    stop.abort();
                }
                Ok(())
            }
            ClientFrame::Unwatch { n } => {
                self.unwatch(n);
                Ok(())
            }
            ClientFrame::Send(ephemeral) => {
                let n = ephemeral.n;
                match self.send(ephemeral) {
                    Ok(()) => Ok(()),
                    Err(error) => self.write(text::error(n, &error)).await,
                }
            }
            ClientFrame::Present(present) => {
                let n = present.n;
                match self.present(present) {
                    Ok(()) => Ok(()),
                    Err(error) => self.write(text::not_shown(n, &error)).await,
                }
            }
            ClientFrame::Ping => self.write(text::PONG.to_owned()).await,
            ClientFrame::Bye => Err(Ended::Closed(End::Bye)),
            ClientFrame::Hello(_) => {
                let error = Error::bad_request("`hello` is the first frame and comes once; nothing was changed");
                self.fault(None, &error).await
            }
            ClientFrame::Sync(sync) => {
                let error = Error::bad_request("this server has no sync protocol; nothing was changed");
                self.fault(Some(sync.n), &error).await
            }
        }
    }

    async fn call(&mut self, call: Call) -> Result<(), Ended> {
        let n = call.n;
        if !self.has_room(n).await? {
            return Ok(());
        }
        let begun = self.start(call).map(|answer| self.later(n, answer.map_ok(Answered::from)));
        self.begun(n, begun).await
    }

    async fn get(&mut self, get: Get) -> Result<(), Ended> {
        let n = get.n;
        if !self.has_room(n).await? {
            return Ok(());
        }
        let key = self.object(&get.kind, &get.id);
        let answer = key.and_then(|key| asking::get(&self.shared, &self.who, key, get.at, &self.reads));
        let begun = answer.map(|answer| self.later(n, answer));
        self.begun(n, begun).await
    }

    async fn delete(&mut self, delete: Delete) -> Result<(), Ended> {
        let n = delete.n;
        if !self.has_room(n).await? {
            return Ok(());
        }
        let key = self.object(&delete.kind, &delete.id);
        let answer = key.and_then(|key| asking::delete(&self.shared, &self.who, key));
        let begun = answer.map(|answer| self.later(n, answer));
        self.begun(n, begun).await
    }

    async fn list(&mut self, list: List) -> Result<(), Ended> {
        let n = list.n;
        if !self.has_room(n).await? {
            return Ok(());
        }
        let answer = asking::list(&self.shared, &self.who, list, &self.reads);
        let begun = answer.map(|answer| self.later(n, answer));
        self.begun(n, begun).await
    }

    /// Whether a request of this number may begin; if not, its sender was told.
    async fn has_room(&mut self, n: u64) -> Result<bool, Ended> {
        if self.open.contains_key(&n) {
            self.in_use(n).await?;
            return Ok(false);
        }
        let most = self.shared.limits.calls_per_connection;
        if self.calls.len() >= most {
            let detail = format!("{most} calls of this connection wait already; nothing was changed; wait for some");
            self.write(text::error(Some(n), &Error::new(Code::Overloaded, detail))).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Answers a request when it is done. Not `async`: its future would be part of every idle connection.
    fn later(&mut self, n: u64, answer: impl Future<Output = Result<Answered>> + Send + 'static) {
        let (stop, registration) = AbortHandle::new_pair();
        self.open.insert(n, Open::Call(stop));
        let answer = Abortable::new(answer, registration);
        self.calls.push(Box::pin(async move { (n, answer.await.ok()) }));
    }

    /// Tells the client why a request did not begin, if it did not.
    async fn begun(&mut self, n: u64, begun: Result<()>) -> Result<(), Ended> {
        match begun {
            Ok(()) => Ok(()),
            Err(error) => self.write(text::error(Some(n), &error)).await,
        }
    }

    /// The object that a frame names, if it is one that this client may name.
    fn object(&self, kind: &Kind, id: &str) -> Result<Key> {
        let key = self.who.key(&self.shared.kind(kind.as_str())?, id)?;
        self.check_session(&key)?;
        Ok(key)
    }

    async fn answer(&mut self, n: u64, answer: Result<Answered>) -> Result<(), Ended> {
        match answer {
            Ok(reply) => self.write_in_turn(text::result(n, &reply.value, reply.seq), reply.turn).await,
            Err(error) => self.write(text::error(Some(n), &error)).await,
        }
    }

    /// Begins a call that may be made.
    fn start(&self, call: Call) -> Result<impl Future<Output = Result<Reply<Json>>> + Send + use<L>> {
        let limits = &self.shared.limits;
        let key = self.who.key(&self.shared.kind(call.kind.as_str())?, &call.id)?;
        let mut options = CallOptions::default();
        if let Some(key) = &call.key {
            if key.is_empty() || key.len() > CALL_KEY_BYTES_MAX {
                let bytes = key.len();
                let detail = format!("`key` has {bytes} bytes; it has 1 to {CALL_KEY_BYTES_MAX}; nothing was changed");
                return Err(Error::bad_request(detail));
            }
            options.key = Some(Arc::from(key.as_str()));
        }
        if let Some(ms) = call.timeout_ms {
            let time = Duration::from_millis(ms);
            if time.is_zero() || time > limits.call_timeout {
                let most = limits.call_timeout.as_millis();
                let detail = format!("`timeout_ms` is 1 to {most}, not {ms}; nothing was changed");
                return Err(Error::bad_request(detail));
            }
            options.timeout = Some(time);
        }
        self.check_session(&key)?;
        self.who.may_call(&self.shared, &key, &call.handler, &mut options)?;
        let args = arguments::checked(call.args, limits.json_depth)?;
        let (shared, who, existing) = (self.shared.clone(), self.who.clone(), options.existing);
        let answer = self.shared.node.call_key(&key, &call.handler, args).options(options).json();
        Ok(answer.inspect_err(move |error| who.noted(&shared, existing, error)))
    }

    async fn watch(&mut self, watch: Watch) -> Result<(), Ended> {
        let n = watch.n;
        if self.open.contains_key(&n) {
            return self.in_use(n).await;
        }
        let begun = self.begin_watch(watch);
        self.begun(n, begun).await
    }

    fn begin_watch(&mut self, watch: Watch) -> Result<()> {
        let Watch { n, kind, id, after, presence } = watch;
        let most = self.shared.limits.watches_per_connection;
        if self.watched >= most {
            let detail = format!("{most} objects are watched by this connection already; unwatch some");
            return Err(Error::new(Code::Overloaded, detail));
        }
        let key = self.object(&kind, &id)?;
        self.who.may_watch(&self.shared, &key)?;
        let beginning = self.shared.node.begin_watch(&key)?;
        let (stop, registration) = AbortHandle::new_pair();
        let me = self.visit.client.id().clone();
        let watching = Watching::new(n, key.clone(), beginning, after, &self.begins).of(me, presence);
        self.watches.push(Box::pin(Abortable::new(watching.into_stream(), registration)));
        self.open.insert(n, Open::Watch { stop, key, present: false });
        self.watched += 1;
        Ok(())
    }

    fn unwatch(&mut self, n: u64) {
        if !matches!(self.open.get(&n), Some(Open::Watch { .. })) {
            return;
        }
        if let Some(Open::Watch { stop, key, present }) = self.open.remove(&n) {
            self.watched -= 1;
            if present {
                // Taking back what was shown does not fail.
                let _ = self.shared.node.present(&key, self.visit.client.id(), (self.visit.connection, n), None);
            }
            stop.abort();
        }
    }

    fn send(&self, ephemeral: Ephemeral) -> Result<()> {
        let key = self.object(&ephemeral.kind, &ephemeral.id)?;
        self.who.may_watch(&self.shared, &key)?;
        arguments::shallow("`data`", ephemeral.data.as_str(), self.shared.limits.json_depth)?;
        self.shared.node.broadcast(&key, Some(self.visit.client.id().clone()), ephemeral.data)
    }

    fn present(&mut self, frame: Present) -> Result<()> {
        let Some(Open::Watch { key, present, .. }) = self.open.get_mut(&frame.n) else {
            return Err(Error::bad_request("a client is present beside what it watches: `n` is the number of a watch"));
        };
        arguments::shallow("`data`", frame.data.as_str(), self.shared.limits.json_depth)?;
        let data = Some(frame.data).filter(|data| data.as_str() != "null");
        let (shows, shower) = (data.is_some(), (self.visit.connection, frame.n));
        self.shared.node.present(key, self.visit.client.id(), shower, data)?;
        *present = shows;
        Ok(())
    }

    /// A session object is its own client's.
    fn check_session(&self, key: &Key) -> Result<()> {
        let foreign = self.shared.is_session(key.kind()) && self.visit.session.as_ref() != Some(key);
        if foreign { Err(foreign_session(key)) } else { Ok(()) }
    }

    async fn in_use(&mut self, n: u64) -> Result<(), Ended> {
        let detail = format!("the number {n} is in use by an earlier frame of this connection; nothing was changed");
        self.fault(None, &Error::bad_request(detail)).await
    }

    /// Tells the client about a frame that means nothing; many of them end the connection.
    async fn fault(&mut self, n: Option<u64>, error: &Error) -> Result<(), Ended> {
        self.faults += 1;
        self.write(text::error(n, error)).await?;
        if self.faults >= FAULTS_MAX {
            return Err(Ended::Closed(End::Refused));
        }
        Ok(())
    }

    /// Nothing was heard since the last beat: the other side is asked for a sign of life, and is gone if it
    /// gives none until the next.
    async fn beat(&mut self) -> Result<(), Ended> {
        if std::mem::take(&mut self.heard) {
            self.asked = false;
            return Ok(());
        }
        if self.asked {
            return Err(Ended::Lost);
        }
        self.room().await?;
        self.asked = self.link.probe()?;
        self.unsent = self.asked;
        Ok(())
    }

    async fn room(&mut self) -> Result<(), Ended> {
        let mut room = poll_fn(|cx| self.link.poll_room(cx));
        // A timer is made only if there is something to wait for.
        if let Some(room) = (&mut room).now_or_never() {
            return Ok(room?);
        }
        timeout(self.shared.limits.write_timeout, room).await.map_err(|_| Lost)??;
        // That may have taken long.
        self.unheard = EVENTS_UNTIL_SIGNALS;
        Ok(())
    }

    async fn write(&mut self, frame: String) -> Result<(), Ended> {
        self.write_in_turn(frame, None).await
    }

    async fn write_in_turn(&mut self, frame: String, turn: Option<Turn>) -> Result<(), Ended> {
        self.room().await?;
        self.link.put(frame, turn)?;
        self.unsent = true;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        if !std::mem::take(&mut self.unsent) {
            return Ok(());
        }
        let sent = poll_fn(|cx| self.link.poll_flush(cx));
        timeout(self.shared.limits.write_timeout, sent).await.map_err(|_| Lost)??;
        self.unheard = EVENTS_UNTIL_SIGNALS;
        Ok(())
    }

    /// Ends everything that is under way. Calls that were made take effect all the same.
    async fn finish(mut self: Box<Self>, ended: Ended) {
        let watches: Vec<u64> = self.open.keys().copied().collect();
        watches.into_iter().for_each(|n| self.unwatch(n));
        let finally = match ended {
            Ended::Closed(End::Stopping) => {
                self.answer_the_rest().await;
                self.close(End::Stopping).await;
                false
            }
            Ended::Closed(End::Bye) => {
                // Its token is void before anything is waited for: the network may be slow to take the farewell.
                let (shared, left) = (self.shared.clone(), self.shared.sessions.part(&self.visit));
                let end = async {
                    if let Some(left) = left {
                        left.end(&shared).await;
                    }
                };
                tokio::join!(self.close(End::Bye), end);
                return;
            }
            Ended::Closed(end) => {
                self.close(end).await;
                false
            }
            Ended::Over { finally } => {
                let Self { mut link, visit, shared, .. } = *self;
                // What ends with it does not wait for the network.
                tokio::join!(hello::answer_goodbye(&shared, &mut link), shared.sessions.leave(&shared, visit, finally));
                return;
            }
            Ended::Lost => false,
        };
        let Self { visit, shared, .. } = *self;
        shared.sessions.leave(&shared, visit, finally).await;
    }

    /// The server stops: calls that are under way are answered, nothing new is taken.
    async fn answer_the_rest(&mut self) {
        let patience = self.shared.limits.drain_timeout;
        let rest = async {
            while let Some((n, answer)) = self.calls.next().await {
                let frame = match answer {
                    Some(Ok(reply)) => text::result(n, &reply.value, reply.seq),
                    Some(Err(error)) => text::error(Some(n), &error),
                    None => continue,
                };
                if self.write(frame).await.is_err() {
                    return;
                }
            }
        };
        // What was not answered in time is cut, as for any request.
        let _ = timeout(patience, rest).await;
    }

    async fn close(&mut self, end: End) {
        if self.flush().await.is_ok() {
            let _ = timeout(self.shared.limits.write_timeout, self.link.close(end)).await;
        }
    }
}

/// Turns to read lists and states, and the states of what is watched. Beside others on the same connection, it has
/// few of theirs.
fn reads_of(opening: &Opening, who: &Who) -> [Reads; 2] {
    if opening.alone {
        return [Reads::of(reads::OF_FRAMES), Reads::of(reads::OF_WATCHES)];
    }
    [(); 2].map(|()| opening.peer.reads.of(who.caller()).among(reads::OF_FRAMES))
}

/// Whether a frame counts in its caller's share, and the number under which it is answered. What gives something
/// back does not count, and what means nothing ends the connection before long.
fn cost(frame: &ClientFrame) -> Option<Option<u64>> {
    match frame {
        ClientFrame::Call(call) => Some(Some(call.n)),
        ClientFrame::Get(get) => Some(Some(get.n)),
        ClientFrame::Delete(delete) => Some(Some(delete.n)),
        ClientFrame::List(list) => Some(Some(list.n)),
        ClientFrame::Watch(watch) => Some(Some(watch.n)),
        ClientFrame::Send(ephemeral) => Some(ephemeral.n),
        ClientFrame::Present(present) => Some(Some(present.n)),
        ClientFrame::Ping => Some(None),
        ClientFrame::Cancel { .. }
        | ClientFrame::Unwatch { .. }
        | ClientFrame::Bye
        | ClientFrame::Hello(_)
        | ClientFrame::Sync(_) => None,
    }
}

/// Beats for ever, and each of the others once.
fn signals(shared: &Arc<Shared>, who: &Who, visit: &Visit) -> Signals {
    let told = |token: &CancellationToken, signal| {
        let token = token.clone().cancelled_owned();
        stream::once(async move {
            token.await;
            signal
        })
    };
    let server = stream::select(told(&shared.draining, Signal::Draining), told(&shared.closing, Signal::Closing));
    let told = stream::select(server, told(&visit.replaced, Signal::Replaced));
    let beats = stream::unfold(shared.limits.heartbeat, |every| async move {
        sleep(every).await;
        Some((Signal::Beat, every))
    });
    let mut all: Signals = SelectAll::new();
    all.push(Box::pin(told));
    all.push(Box::pin(beats));
    if shared.gate.asks() {
        all.push(Box::pin(stream::once(who.standing(shared).over()).map(Signal::Unknown)));
    }
    all
}

/// All clients hear at once that the server stops; they must not all come back at once.
fn reconnect_in_ms() -> u64 {
    let (least, most) = RECONNECT_MS;
    let random = u64::try_from(ulid::Ulid::generate().random() & u128::from(u32::MAX)).unwrap_or_default();
    least + random % (most - least)
}
