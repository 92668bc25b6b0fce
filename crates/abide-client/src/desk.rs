//! What a client has open, and what is to be sent for it. No IO, no clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use abide_core::{
    ClientFrame, Code, Error, ServerFrame,
    frame::{Ephemeral, ErrorFrame, FRAME_BYTES_MAX_DEFAULT, Identity, Limits, Welcome},
};
use tokio::{sync::broadcast, time::Instant};

use crate::{calls::Calls, command::Command, feed::Push, options::SMALL_MAX, watches::Watches};

pub(crate) struct Desk {
    calls: Calls,
    watches: Watches,
    /// Short frames that wait for their turn.
    small: VecDeque<ClientFrame>,
    /// Gone when there will be no pushes any more.
    pushes: Option<broadcast::Sender<Push>>,
    /// The number of the last push that arrived.
    pub(crate) pushed: u64,
    limits: Limits,
    /// Whom the server takes this client for.
    principal: Option<Identity>,
    fresh: Arc<AtomicU64>,
    /// Whether what is sent now goes out on a connection that stays.
    pub(crate) ready: bool,
    /// Why there is no connection.
    pub(crate) trouble: Option<Error>,
}

impl Desk {
    pub(crate) fn new(fresh: Arc<AtomicU64>, pushes: broadcast::Sender<Push>) -> Self {
        let limits = Limits { frame_bytes: FRAME_BYTES_MAX_DEFAULT as u64, calls: 1, watches: 1, timeout_ms: 0 };
        Self {
            calls: Calls::default(),
            watches: Watches::default(),
            small: VecDeque::new(),
            pushes: Some(pushes),
            pushed: 0,
            limits,
            principal: None,
            fresh,
            ready: false,
            trouble: None,
        }
    }

    /// What a handle asks, but for `Close`.
    pub(crate) fn take(&mut self, command: Command) {
        let frame = match command {
            Command::Call(call) => {
                self.calls.add(call);
                None
            }
            Command::Cancel(n) => self.calls.cancel(n),
            Command::Watch(watch) => {
                self.watches.add(watch);
                None
            }
            Command::Unwatch(n) => self.watches.remove(n),
            Command::Present { n, data } => self.watches.present(n, data),
            Command::Send { kind, id, data, refused } => {
                let _ = refused.send(self.ephemeral(Ephemeral { n: None, kind, id, data }));
                None
            }
            Command::Close(_) => None,
        };
        self.queue(frame);
    }

    /// The server has said welcome.
    pub(crate) fn opened(&mut self, welcome: &Welcome) {
        self.limits = welcome.limits.clone();
        if self.principal != welcome.principal {
            if let (Some(before), Some(now)) = (&self.principal, &welcome.principal)
                && before.namespace != now.namespace
            {
                self.watches.change_tenant();
            }
            self.principal.clone_from(&welcome.principal);
            self.calls.change_caller();
        }
        self.pushed = if welcome.resumed { self.pushed + welcome.missed } else { 0 };
        self.missed(welcome.missed);
        self.ready = true;
        self.trouble = None;
    }

    pub(crate) fn lost(&mut self, why: Error) {
        self.ready = false;
        self.trouble = Some(why);
        self.small.clear();
        self.calls.lost();
        self.watches.lost();
    }

    pub(crate) fn end(&mut self, why: &Error) {
        self.ready = false;
        self.pushes = None;
        self.calls.end(why);
        self.watches.end(why);
    }

    pub(crate) fn heard(&mut self, frame: ServerFrame, now: Instant, random: u64) {
        let frame = match frame {
            ServerFrame::Result(reply) => {
                self.calls.answer(reply.n, reply.result, reply.seq);
                None
            }
            ServerFrame::Error(error) => {
                self.failed(&error, now, random);
                None
            }
            ServerFrame::Snapshot(snapshot) => self.watches.snapshot(snapshot),
            ServerFrame::Change { n, change } => self.watches.change(n, change),
            ServerFrame::Reset(reset) => self.watches.reset(reset),
            ServerFrame::Broadcast(broadcast) => self.watches.broadcast(broadcast),
            ServerFrame::Presence(presence) => {
                let frames = self.watches.presence(presence);
                self.queue(frames);
                None
            }
            ServerFrame::Push { p, data } => {
                self.push(p, data);
                None
            }
            ServerFrame::Welcome(_) | ServerFrame::Sync(_) | ServerFrame::Goaway { .. } | ServerFrame::Pong => None,
        };
        self.queue(frame);
    }

    /// The next frame to be sent.
    pub(crate) fn next(&mut self, now: Instant) -> Option<String> {
        if !self.ready {
            return None;
        }
        if let Some(small) = self.small.pop_front() {
            return Some(small.to_json());
        }
        let fresh = &self.fresh;
        self.watches.next(|| fresh.fetch_add(1, Ordering::Relaxed)).or_else(|| self.calls.next(&self.limits, now))
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        let frames = self.calls.tick(now, self.trouble.as_ref());
        self.queue(frames);
        let frames = self.watches.tick(now);
        self.queue(frames);
    }

    /// Looks for handles that have gone, and readers that have caught up.
    pub(crate) fn sweep(&mut self) {
        let frames = self.calls.sweep();
        self.queue(frames);
        let frames = self.watches.sweep();
        self.queue(frames);
    }

    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.calls.wakes_at().into_iter().chain(self.watches.wakes_at()).min()
    }

    /// Whether `next` has something to give.
    pub(crate) fn any_ready(&self) -> bool {
        self.ready && self.waits(self.limits.calls)
    }

    /// Whether something waits for a connection that stays.
    pub(crate) fn any_waits(&self) -> bool {
        self.waits(u64::MAX)
    }

    fn waits(&self, calls_max: u64) -> bool {
        !self.small.is_empty() || self.watches.any_ready() || self.calls.any_ready(calls_max)
    }

    /// Whether there is room for another short frame.
    pub(crate) fn has_room(&self) -> bool {
        self.small.len() < SMALL_MAX
    }

    /// Whether any call waits for an answer on this connection.
    pub(crate) fn in_flight(&self) -> bool {
        self.calls.in_flight()
    }

    pub(crate) fn any_paused(&self) -> bool {
        self.watches.any_paused()
    }

    fn failed(&mut self, error: &ErrorFrame, now: Instant, random: u64) {
        if error.present {
            self.watches.not_shown(error, now, random);
            return;
        }
        if self.calls.fail(error, now, random) {
            return;
        }
        if error.n.is_none() {
            tracing::warn!(code = %error.code, detail = %error.detail, "the server refuses something that was sent");
        }
        let frame = self.watches.fail(error, now, random);
        self.queue(frame);
    }

    fn ephemeral(&mut self, data: Ephemeral) -> Result<(), Error> {
        if !self.ready {
            return Err(Error::unavailable("there is no connection; ephemeral data is not kept, and was not sent"));
        }
        if self.small.len() >= SMALL_MAX {
            let detail = format!("{SMALL_MAX} frames wait to be sent; this one was not");
            return Err(Error::new(Code::Overloaded, detail));
        }
        let frame = ClientFrame::Send(data);
        let (bytes, max) = (frame.to_json().len(), self.limits.frame_bytes);
        if bytes as u64 > max {
            let detail = format!("the data takes {bytes} bytes, the server takes {max}; it was not sent");
            return Err(Error::new(Code::TooLarge, detail));
        }
        self.small.push_back(frame);
        Ok(())
    }

    /// There is at most one for each call, watch and command that is under way.
    fn queue(&mut self, frames: impl IntoIterator<Item = ClientFrame>) {
        if self.ready {
            self.small.extend(frames);
        }
    }

    fn push(&mut self, p: u64, data: abide_core::Json) {
        if p <= self.pushed {
            return;
        }
        self.missed(p - self.pushed - 1);
        self.pushed = p;
        self.tell(Push::Data(data));
    }

    fn missed(&self, count: u64) {
        if count > 0 {
            self.tell(Push::Missed(count));
        }
    }

    fn tell(&self, push: Push) {
        if let Some(pushes) = &self.pushes {
            // Nobody has to listen.
            let _ = pushes.send(push);
        }
    }
}
