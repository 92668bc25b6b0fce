//! The watches of a client. No IO, no clock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use abide_core::{
    ChangeRecord, ClientFrame, Code, Error, Json, Kind, Result, Seq, Timestamp,
    frame::{self, ErrorFrame, ResetReason},
};
use serde::Deserialize;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    calls::{error_of, pause},
    command::{NewWatch, Start},
    news::News,
    options::WATCHES_MAX,
    shelf::{NotPut, Put},
};

#[derive(Default)]
pub(crate) struct Watches {
    open: BTreeMap<u64, Watching>,
    /// Which watch a number on the wire belongs to. A number is used once.
    wire: HashMap<u64, u64>,
    ask: BTreeSet<u64>,
    later: BTreeSet<(Instant, u64)>,
    /// Those whose client is to be shown again, not before a time.
    unshown: BTreeSet<(Instant, u64)>,
    /// Those whose reader is slow: the server is asked again when it has caught up.
    paused: BTreeSet<u64>,
}

struct Watching {
    kind: Kind,
    id: String,
    start: Start,
    presence: bool,
    sink: Put,
    begun: Option<oneshot::Sender<Result<Seq>>>,
    /// Up to where updates were handed out.
    at: Option<Seq>,
    /// Whether what was handed out was another tenant's: what comes next is a new beginning.
    elsewhere: bool,
    /// The number on the wire, while the server is asked.
    n: Option<u64>,
    shows: Option<Json>,
    /// Whether the server has begun to tell who is there: only then what is shown is not lost on its way.
    greeted: bool,
    /// How often it was refused to show it, and whether it will be asked again.
    refusals: u32,
    unshown: bool,
    attempts: u32,
    /// Why it ends, when the reader has room for it.
    over: Option<Error>,
}

/// What becomes of a watch after something was handed out.
enum Handed {
    Yes,
    Full,
    Gone,
}

impl Watches {
    pub(crate) fn add(&mut self, watch: NewWatch) {
        let NewWatch { n, kind, id, start, presence, sink, begun } = watch;
        if self.open.len() >= WATCHES_MAX {
            let detail = format!("this client watches {WATCHES_MAX} objects already; end a watch first");
            let _ = begun.send(Err(Error::new(Code::Overloaded, detail)));
            return;
        }
        let (at, begun) = match start {
            Start::Now => (None, Some(begun)),
            Start::State => {
                let _ = begun.send(Ok(Seq::ZERO));
                (None, None)
            }
            Start::After(seq) => {
                let _ = begun.send(Ok(seq));
                (Some(seq), None)
            }
        };
        let watching = Watching {
            kind,
            id,
            start,
            presence,
            sink,
            begun,
            at,
            elsewhere: false,
            n: None,
            shows: None,
            greeted: false,
            refusals: 0,
            unshown: false,
            attempts: 0,
            over: None,
        };
        self.open.insert(n, watching);
        self.ask.insert(n);
    }

    /// From now on objects of the same names are another tenant's. To be called while nothing is watched.
    pub(crate) fn change_tenant(&mut self) {
        for watching in self.open.values_mut() {
            watching.elsewhere |= watching.at.take().is_some();
            watching.shows = None;
        }
    }

    /// The next watch to be asked for, under a fresh number.
    pub(crate) fn next(&mut self, fresh: impl FnOnce() -> u64) -> Option<String> {
        let (id, watching) = loop {
            let id = self.ask.pop_first()?;
            if let Some(watching) = self.open.get_mut(&id) {
                break (id, watching);
            }
        };
        let n = fresh();
        watching.n = Some(n);
        watching.greeted = false;
        self.wire.insert(n, id);
        let (kind, object) = (watching.kind.clone(), watching.id.clone());
        let watch = frame::Watch { n, kind, id: object, after: watching.at, presence: watching.presence };
        Some(ClientFrame::Watch(watch).to_json())
    }

    /// Ends a watch; what the server is to be told.
    pub(crate) fn remove(&mut self, id: u64) -> Option<ClientFrame> {
        let watching = self.open.remove(&id)?;
        self.ask.remove(&id);
        self.paused.remove(&id);
        let n = watching.n?;
        self.wire.remove(&n);
        Some(ClientFrame::Unwatch { n })
    }

    /// What this client shows beside the object; what the server is to be told now.
    pub(crate) fn present(&mut self, id: u64, data: Option<Json>) -> Option<ClientFrame> {
        let watching = self.open.get_mut(&id)?;
        watching.shows.clone_from(&data);
        let n = watching.n.filter(|_| watching.greeted)?;
        Some(ClientFrame::Present(frame::Present { n, data: data.unwrap_or_else(Json::null) }))
    }

    pub(crate) fn snapshot(&mut self, frame: frame::Snapshot) -> Option<ClientFrame> {
        let frame::Snapshot { n, seq, state } = frame;
        let watching = self.of(n)?;
        if std::mem::take(&mut watching.elsewhere) {
            let state = present(state);
            return self.hand(n, News::Reset { reason: ResetReason::Other, seq, state }, Some(seq));
        }
        if watching.start == Start::Now {
            (watching.at, watching.attempts) = (Some(seq), 0);
            if let Some(begun) = watching.begun.take() {
                let _ = begun.send(Ok(seq));
            }
            return None;
        }
        self.hand(n, News::Snapshot { seq, state: present(state) }, Some(seq))
    }

    pub(crate) fn reset(&mut self, frame: frame::Reset) -> Option<ClientFrame> {
        let frame::Reset { n, reason, seq, state } = frame;
        self.hand(n, News::Reset { reason, seq, state: present(state) }, Some(seq))
    }

    pub(crate) fn change(&mut self, n: u64, json: Json) -> Option<ClientFrame> {
        #[derive(Deserialize)]
        struct Head {
            seq: Seq,
            at: Timestamp,
        }
        let watching = self.of(n)?;
        let head = json.decode::<Head>().ok();
        match (head, watching.at) {
            (Some(Head { seq, .. }), Some(at)) if seq <= at => None,
            (Some(Head { seq, at: time }), Some(at)) if seq == at.next() => {
                let record = ChangeRecord { seq, at: time, json, snapshot: None };
                self.hand(n, News::Change(Arc::new(record)), Some(seq))
            }
            // A gap, or what cannot be read: ask again from where it is known.
            _ => self.again(n),
        }
    }

    pub(crate) fn broadcast(&mut self, frame: frame::Broadcast) -> Option<ClientFrame> {
        let watching = self.of(frame.n)?;
        // It is ephemeral: a reader that has no room misses it.
        let _ = watching.sink.put(Ok(News::Broadcast { from: frame.from, data: frame.data }));
        None
    }

    pub(crate) fn presence(&mut self, frame: frame::Presence) -> Vec<ClientFrame> {
        let frame::Presence { n, whole, members } = frame;
        let members = members.into_iter().map(|(client, data)| (client, present(data))).collect();
        let mut frames: Vec<_> = self.hand(n, News::Presence { whole, members }, None).into_iter().collect();
        let Some(watching) = self.of(n) else { return frames };
        if !std::mem::replace(&mut watching.greeted, true)
            && let Some(data) = watching.shows.clone()
        {
            frames.push(ClientFrame::Present(frame::Present { n, data }));
        }
        frames
    }

    /// The server does not show this client to others. The watch goes on; what may go well later is tried again.
    pub(crate) fn not_shown(&mut self, frame: &ErrorFrame, now: Instant, random: u64) {
        let Some(id) = frame.n.and_then(|n| self.wire.get(&n).copied()) else { return };
        let Some(watching) = self.open.get_mut(&id) else { return };
        if !frame.retryable {
            let (kind, id) = (&watching.kind, &watching.id);
            tracing::warn!(%kind, %id, code = %frame.code, detail = %frame.detail, "this client is not shown");
        } else if !std::mem::replace(&mut watching.unshown, true) {
            let wait = error_of(frame).wait().unwrap_or_default().max(pause(watching.refusals, random));
            watching.refusals += 1;
            self.unshown.insert((now + wait, id));
        }
    }

    /// A watch failed: one that may go well later is asked for again. What the server is to be told.
    pub(crate) fn fail(&mut self, frame: &ErrorFrame, now: Instant, random: u64) -> Option<ClientFrame> {
        let n = frame.n?;
        let id = *self.wire.get(&n)?;
        let watching = self.open.get_mut(&id)?;
        let error = error_of(frame);
        if frame.retryable {
            let wait = error.wait().unwrap_or_default().max(pause(watching.attempts, random));
            watching.attempts += 1;
            self.later.insert((now + wait, id));
            return self.detach(n);
        }
        let told = self.detach(n);
        self.end_one(id, error);
        told
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.wire.clear();
        self.later.clear();
        self.unshown.clear();
        for (id, watching) in &mut self.open {
            (watching.n, watching.greeted) = (None, false);
            (watching.unshown, watching.refusals) = (false, 0);
            if !self.paused.contains(id) {
                self.ask.insert(*id);
            }
        }
    }

    /// There will be no connection any more.
    pub(crate) fn end(&mut self, error: &Error) {
        for watching in std::mem::take(&mut self.open).into_values() {
            match watching.begun {
                Some(begun) => drop(begun.send(Err(error.clone()))),
                None => drop(watching.sink.put(Err(error.clone()))),
            }
        }
        *self = Self::default();
    }

    /// Asks again for those whose time has come; what the server is to be told.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<ClientFrame> {
        while let Some(&(at, id)) = self.later.first().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, id));
            self.ask.insert(id);
        }
        let mut frames = Vec::new();
        while let Some(&(at, id)) = self.unshown.first().filter(|(at, _)| *at <= now) {
            self.unshown.remove(&(at, id));
            let Some(watching) = self.open.get_mut(&id) else { continue };
            watching.unshown = false;
            // What is shown when a watch begins anew is told then.
            let Some(n) = watching.n.filter(|_| watching.greeted) else { continue };
            let data = watching.shows.clone().unwrap_or_else(Json::null);
            frames.push(ClientFrame::Present(frame::Present { n, data }));
        }
        frames
    }

    /// Looks after slow readers, and those that have gone.
    pub(crate) fn sweep(&mut self) -> Vec<ClientFrame> {
        let closed = self.open.iter().filter(|(_, watching)| watching.gone()).map(|(id, _)| *id);
        let closed: Vec<u64> = closed.collect();
        let frames = closed.into_iter().filter_map(|id| self.remove(id)).collect();
        for id in self.paused.clone() {
            let Some(watching) = self.open.get_mut(&id) else { continue };
            if !watching.sink.has_room() {
                continue;
            }
            self.paused.remove(&id);
            match watching.over.take() {
                Some(error) => self.end_one(id, error),
                None => {
                    self.ask.insert(id);
                }
            }
        }
        frames
    }

    /// Whether `next` has something to give.
    pub(crate) fn any_ready(&self) -> bool {
        !self.ask.is_empty()
    }

    /// When `tick` has something to do.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.later.first().into_iter().chain(self.unshown.first()).map(|(at, _)| *at).min()
    }

    /// Whether a reader is waited for.
    pub(crate) fn any_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    fn of(&mut self, n: u64) -> Option<&mut Watching> {
        self.open.get_mut(self.wire.get(&n)?)
    }

    /// Hands something out. What is handed out counts; what is not comes again when the reader has room.
    fn hand(&mut self, n: u64, news: News, seq: Option<Seq>) -> Option<ClientFrame> {
        let watching = self.of(n)?;
        match watching.hand(news) {
            Handed::Yes => {
                if seq.is_some() {
                    (watching.at, watching.attempts) = (seq, 0);
                }
                None
            }
            Handed::Full => {
                let id = *self.wire.get(&n)?;
                self.paused.insert(id);
                self.detach(n)
            }
            Handed::Gone => {
                let id = *self.wire.get(&n)?;
                self.remove(id)
            }
        }
    }

    /// Ends it on the wire, and asks for it anew.
    fn again(&mut self, n: u64) -> Option<ClientFrame> {
        let id = *self.wire.get(&n)?;
        self.ask.insert(id);
        self.detach(n)
    }

    fn detach(&mut self, n: u64) -> Option<ClientFrame> {
        let id = self.wire.remove(&n)?;
        if let Some(watching) = self.open.get_mut(&id) {
            (watching.n, watching.greeted) = (None, false);
        }
        Some(ClientFrame::Unwatch { n })
    }

    /// It has ended; the server was told, if it had it.
    fn end_one(&mut self, id: u64, error: Error) {
        let Some(watching) = self.open.get_mut(&id) else { return };
        if let Some(begun) = watching.begun.take() {
            let _ = begun.send(Err(error));
        } else if let Err(NotPut::Full(Err(error))) = watching.sink.put(Err(error)) {
            watching.over = Some(error);
            self.paused.insert(id);
            return;
        }
        self.open.remove(&id);
        self.ask.remove(&id);
    }
}

impl Watching {
    fn hand(&self, news: News) -> Handed {
        match self.sink.put(Ok(news)) {
            Ok(()) => Handed::Yes,
            Err(NotPut::Full(_)) => Handed::Full,
            Err(NotPut::Gone) => Handed::Gone,
        }
    }

    fn gone(&self) -> bool {
        self.sink.is_closed() || self.begun.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// JSON that is not `null`.
fn present(json: Json) -> Option<Json> {
    (json.as_str() != "null").then_some(json)
}

#[cfg(test)]
mod tests;
