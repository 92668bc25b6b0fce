//! The task that owns the connection: it makes it, makes it again, and moves frames between it and the desk.

use std::{sync::Arc, time::Duration};

use abide_core::{ClientFrame, Code, Error, ServerFrame, port::BoxFuture};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    command::{Command, random64},
    desk::Desk,
    dial::{Connection, Failure, Resume, Socket, dial},
    options::{FAREWELL_WITHIN, FRAME_BYTES_MAX, OUT_MAX, Options},
    status::Status,
};

/// How often handles that have gone are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often slow readers are looked after, while there are any.
const PAUSED_EVERY: Duration = Duration::from_millis(50);

/// How often a connection that is to be left is looked at, while calls are under way on it, and for how long what
/// is to be sent waits for these.
const LEAVE_AGAIN: Duration = Duration::from_millis(50);
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Link {
    options: Options,
    desk: Desk,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<Status>,
    /// Told about every welcome: the client's id.
    client: Arc<parking_lot::Mutex<Option<String>>>,
    state: State,
    resume: Option<Resume>,
    /// Which address is tried next.
    turn: usize,
    /// How many attempts failed in a row.
    failures: usize,
    /// How many connections in a row were lost soon after their welcome.
    flaps: usize,
    sweep_at: Instant,
    closing: Option<oneshot::Sender<()>>,
}

enum State {
    Dialing(BoxFuture<'static, Result<Box<Connection>, Failure>>),
    Waiting(Instant),
    Online(Online),
    Closed,
}

/// A connection at work.
struct Online {
    since: Instant,
    out: mpsc::Sender<String>,
    frames: SplitStream<Socket>,
    writer: JoinHandle<()>,
    /// When the silence has lasted too long.
    silent_at: Instant,
    /// Whether the server was asked if it is there.
    asked: bool,
    /// When to leave, if the server is about to stop, and when to leave whatever is under way.
    leave_at: Option<Instant>,
    leave_by: Instant,
}

/// What woke the task.
enum Event {
    Command(Option<Command>),
    Dialed(Result<Box<Connection>, Failure>),
    Frame(Option<Result<Message, tokio_tungstenite::tungstenite::Error>>),
    Room,
    Time,
}

impl Link {
    pub(crate) fn new(
        options: Options,
        desk: Desk,
        commands: mpsc::Receiver<Command>,
        status: watch::Sender<Status>,
        client: Arc<parking_lot::Mutex<Option<String>>>,
    ) -> Self {
        let now = Instant::now();
        let mut link = Self {
            options,
            desk,
            commands,
            status,
            client,
            state: State::Closed,
            resume: None,
            turn: 0,
            failures: 0,
            flaps: 0,
            sweep_at: now + SWEEP_EVERY,
            closing: None,
        };
        link.dial();
        link
    }

    pub(crate) async fn run(mut self) {
        while !matches!(self.state, State::Closed) {
            let event = self.event().await;
            self.take(event).await;
        }
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(());
        }
        // Whoever asks from here on is told why there is no connection.
        let status = self.status.borrow().clone();
        let why = status.error().cloned().unwrap_or_else(closed);
        while let Some(command) = self.commands.recv().await {
            if let Command::Close(done) = command {
                let _ = done.send(());
            } else {
                self.desk.take(command);
                self.desk.end(&why);
            }
        }
    }

    async fn event(&mut self) -> Event {
        let time = self.wakes_at();
        let (next, take) = (self.desk.any_ready(), self.desk.has_room());
        let commands = &mut self.commands;
        match &mut self.state {
            State::Dialing(dialing) => tokio::select! {
                dialed = dialing => Event::Dialed(dialed),
                command = commands.recv() => Event::Command(command),
                () = sleep_until(time) => Event::Time,
            },
            State::Online(online) => tokio::select! {
                frame = online.frames.next() => Event::Frame(frame),
                command = commands.recv(), if take => Event::Command(command),
                _ = online.out.reserve(), if next => Event::Room,
                () = sleep_until(time) => Event::Time,
            },
            State::Waiting(_) | State::Closed => tokio::select! {
                command = commands.recv() => Event::Command(command),
                () = sleep_until(time) => Event::Time,
            },
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Command(None) => self.close(None).await,
            Event::Command(Some(Command::Close(done))) => self.close(Some(done)).await,
            Event::Command(Some(command)) => self.desk.take(command),
            Event::Dialed(Ok(connection)) => self.open(*connection),
            Event::Dialed(Err(failure)) => self.failed(failure),
            Event::Frame(Some(Ok(message))) => self.heard(message),
            Event::Frame(Some(Err(error))) => self.broken(&format!("the connection broke: {error}")),
            Event::Frame(None) => self.broken("the connection was closed"),
            Event::Room => {}
            Event::Time => self.tick(),
        }
        if self.desk.any_paused() {
            self.sweep_at = self.sweep_at.min(Instant::now() + PAUSED_EVERY);
        }
        self.send();
    }

    /// Hands frames to the writer for as long as it has room.
    fn send(&mut self) {
        let State::Online(online) = &mut self.state else { return };
        let now = Instant::now();
        while let Ok(permit) = online.out.try_reserve() {
            let Some(text) = self.desk.next(now) else { return };
            permit.send(text);
        }
    }

    fn heard(&mut self, message: Message) {
        let State::Online(online) = &mut self.state else { return };
        let now = Instant::now();
        online.silent_at = now + self.options.heartbeat;
        online.asked = false;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return self.broken("the server closed the connection"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return,
        };
        match ServerFrame::parse(&text, FRAME_BYTES_MAX) {
            Ok(ServerFrame::Goaway { reconnect_in_ms }) => {
                let leave_at = now + Duration::from_millis(reconnect_in_ms);
                (online.leave_at, online.leave_by) = (Some(leave_at), leave_at + LEAVE_WITHIN);
                self.desk.ready = false;
            }
            Ok(frame) => self.desk.heard(frame, now, random64()),
            Err(error) => tracing::debug!(%error, "a frame of the server is passed over"),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.desk.tick(now);
        if now >= self.sweep_at {
            self.desk.sweep();
            self.sweep_at = now + SWEEP_EVERY;
        }
        match &mut self.state {
            State::Waiting(until) if now >= *until => self.dial(),
            State::Online(online) if now >= online.silent_at => {
                if std::mem::replace(&mut online.asked, true) {
                    self.broken("the server is silent");
                } else {
                    online.silent_at = now + self.options.heartbeat;
                    // If there is no room, frames are on their way, which ask as well.
                    let _ = online.out.try_send(ClientFrame::Ping.to_json());
                }
            }
            State::Online(online) if online.leave_at.is_some_and(|at| now >= at) => {
                if self.desk.in_flight() && (now < online.leave_by || !self.desk.any_waits()) {
                    // They are still answered, before the server closes the connection.
                    online.leave_at = Some(now + LEAVE_AGAIN);
                    return;
                }
                self.lost(Error::unavailable("the server is about to stop"));
                self.turn += 1;
                self.dial();
            }
            State::Waiting(_) | State::Online(_) | State::Dialing(_) | State::Closed => {}
        }
    }

    fn wakes_at(&self) -> Instant {
        let state = match &self.state {
            State::Waiting(until) => Some(*until),
            State::Online(online) => Some(online.leave_at.map_or(online.silent_at, |at| at.min(online.silent_at))),
            State::Dialing(_) | State::Closed => None,
        };
        state.into_iter().chain(self.desk.wakes_at()).fold(self.sweep_at, Instant::min)
    }

    fn dial(&mut self) {
        let address = self.options.addresses[self.turn % self.options.addresses.len()].clone();
        let mut resume = self.resume.clone();
        if let Some(resume) = &mut resume {
            resume.pushed = self.desk.pushed;
        }
        self.state = State::Dialing(Box::pin(dial(self.options.clone(), address, resume)));
    }

    fn open(&mut self, connection: Connection) {
        let Connection { socket, welcome } = connection;
        let (sink, frames) = socket.split();
        let (out, queue) = mpsc::channel(OUT_MAX);
        let writer = start(write(sink, queue));
        let since = Instant::now();
        let silent_at = since + self.options.heartbeat;
        self.failures = 0;
        self.resume = Some(Resume { client: welcome.client.clone(), token: welcome.resume.clone(), pushed: 0 });
        *self.client.lock() = Some(welcome.client.clone());
        self.desk.opened(&welcome);
        let (leave_at, leave_by) = (None, since);
        let online = Online { since, out, frames, writer, silent_at, asked: false, leave_at, leave_by };
        self.state = State::Online(online);
        self.tell(Status::Online);
    }

    fn failed(&mut self, failure: Failure) {
        let Failure { error, for_good } = failure;
        if error.code() == Code::Denied && self.resume.take().is_some() {
            // The token is another caller's now: it is a new client.
            self.dial();
            return;
        }
        if for_good {
            self.desk.end(&error);
            self.state = State::Closed;
            self.tell(Status::Closed(error));
            return;
        }
        self.turn += 1;
        self.failures += 1;
        self.desk.trouble = Some(error.clone());
        let addresses = self.options.addresses.len();
        if !self.failures.is_multiple_of(addresses) {
            // Another address may be better.
            self.dial();
            return;
        }
        self.wait(self.failures / addresses);
        self.tell(Status::Offline(error));
    }

    /// The connection ended without being asked to.
    fn broken(&mut self, why: &str) {
        let (leave_at, brief) = match &self.state {
            State::Online(online) => (online.leave_at, online.since.elapsed() < self.options.backoff.max),
            State::Dialing(_) | State::Waiting(_) | State::Closed => (None, false),
        };
        // A server that lets in and breaks off at once is not asked as fast as that goes.
        self.flaps = if brief { self.flaps + 1 } else { 1 };
        self.lost(Error::unavailable(why.to_owned()));
        match leave_at {
            Some(at) => {
                self.turn += 1;
                self.state = State::Waiting(at);
            }
            None => self.wait(self.flaps),
        }
    }

    fn lost(&mut self, why: Error) {
        if let State::Online(online) = std::mem::replace(&mut self.state, State::Waiting(Instant::now())) {
            online.writer.abort();
        }
        self.desk.lost(why.clone());
        self.tell(Status::Offline(why));
    }

    fn wait(&mut self, attempt: usize) {
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        let wait = self.options.backoff.delay(attempt, random64()).unwrap_or(self.options.backoff.max);
        self.state = State::Waiting(Instant::now() + wait);
    }

    /// Says goodbye, and waits until it is written.
    async fn close(&mut self, done: Option<oneshot::Sender<()>>) {
        let why = closed();
        self.desk.end(&why);
        self.closing = done;
        if let State::Online(online) = std::mem::replace(&mut self.state, State::Closed) {
            let Online { out, mut frames, mut writer, .. } = online;
            let farewell = async {
                let _ = out.send(ClientFrame::Bye.to_json()).await;
                drop(out);
                let _ = (&mut writer).await;
                while let Some(Ok(_)) = frames.next().await {}
            };
            let _ = timeout(FAREWELL_WITHIN, farewell).await;
            writer.abort();
        }
        self.tell(Status::Closed(why));
    }

    fn tell(&self, status: Status) {
        self.status.send_if_modified(|now| {
            let other = *now != status;
            *now = status;
            other
        });
    }
}

/// Writes frames until there will be none any more, then closes the connection.
async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<String>) {
    while let Some(text) = queue.recv().await {
        if sink.send(Message::text(text)).await.is_err() {
            // The reader notices, too, and says why.
            return;
        }
    }
    let _ = sink.close().await;
}

/// Starts a task of the client. It ends with the last handle.
#[expect(
    clippy::disallowed_methods,
    reason = "a client has no node whose tracker could spawn; its handles end its tasks"
)]
pub(crate) fn start(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

/// What is said of everything after `close`.
pub(crate) fn closed() -> Error {
    Error::unavailable(
        "this client was closed; calls without an answer may have taken effect, and what comes later is not sent; \
         make a new client",
    )
}

#[cfg(test)]
mod tests;
