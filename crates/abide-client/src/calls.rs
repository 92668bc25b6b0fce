//! The calls that have no answer yet. No IO, no clock: time and chance come in as arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use abide_core::{
    ClientFrame, Code, Error, Json, Seq,
    frame::{ErrorFrame, Limits},
    port::Repeat,
};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    command::{Answer, NewCall},
    options::CALLS_MAX,
};

/// How long an answer is waited for beyond the deadline: the server's own word on it says more.
const GRACE: Duration = Duration::from_millis(100);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(crate) struct Calls {
    open: BTreeMap<u64, Pending>,
    /// Those to be sent, in the order they were made.
    ready: BTreeSet<u64>,
    /// Those to be sent again, not before a time.
    later: BTreeSet<(Instant, u64)>,
    due: BTreeSet<(Instant, u64)>,
    flying: usize,
}

struct Pending {
    frame: ClientFrame,
    repeat: Repeat,
    deadline: Instant,
    sink: oneshot::Sender<Answer>,
    /// Sent on this connection, and not answered.
    flying: bool,
    attempts: u32,
    /// Whether the server lets it wait less long than its caller does.
    cut: bool,
    /// Whether an earlier try may have taken effect.
    uncertain: bool,
}

impl Calls {
    pub(crate) fn add(&mut self, call: NewCall) {
        let NewCall { n, frame, repeat, deadline, sink } = call;
        if self.open.len() >= CALLS_MAX {
            let detail = format!("{CALLS_MAX} calls of this client wait already; this one was not sent");
            let _ = sink.send(Err(Error::new(Code::Overloaded, detail)));
            return;
        }
        let pending =
            Pending { frame, repeat, deadline, sink, flying: false, attempts: 0, cut: false, uncertain: false };
        self.open.insert(n, pending);
        self.ready.insert(n);
        self.due.insert((deadline + GRACE, n));
    }

    /// Forgets a call; what is to be told to the server, if it has it.
    pub(crate) fn cancel(&mut self, n: u64) -> Option<ClientFrame> {
        let call = self.remove(n)?;
        call.flying.then_some(ClientFrame::Cancel { n })
    }

    /// The next call to be sent, as text.
    pub(crate) fn next(&mut self, limits: &Limits, now: Instant) -> Option<String> {
        let bytes_max = limits.frame_bytes;
        loop {
            if self.flying as u64 >= limits.calls {
                return None;
            }
            let n = self.ready.pop_first()?;
            let Some(call) = self.open.get_mut(&n) else { continue };
            let left = whole_ms(call.deadline.saturating_duration_since(now));
            let most = if limits.timeout_ms == 0 { left } else { limits.timeout_ms };
            if let ClientFrame::Call(frame) = &mut call.frame {
                frame.timeout_ms = Some(left.min(most));
            }
            let text = call.frame.to_json();
            if text.len() as u64 > bytes_max {
                let (bytes, maybe) = (text.len(), call.uncertain);
                let effect = if maybe { " again, and an earlier try may have taken effect" } else { "" };
                let detail =
                    format!("the call has {bytes} bytes, the server takes {bytes_max}; it was not sent{effect}");
                self.finish(n, Err(Error::new(Code::TooLarge, detail).maybe_applied(maybe)));
                continue;
            }
            (call.flying, call.cut) = (true, left > most);
            self.flying += 1;
            return Some(text);
        }
    }

    pub(crate) fn answer(&mut self, n: u64, result: Json, seq: Seq) {
        self.finish(n, Ok((result, seq)));
    }

    /// A call failed; `false` if the number is no call's.
    pub(crate) fn fail(&mut self, frame: &ErrorFrame, now: Instant, random: u64) -> bool {
        let Some(n) = frame.n else { return false };
        let Some(call) = self.open.get_mut(&n) else { return false };
        let error = error_of(frame);
        call.uncertain |= error.is_maybe_applied();
        let busy = matches!(error.code(), Code::Unavailable | Code::Overloaded | Code::RateLimited);
        let helps = busy || (error.code() == Code::Deadline && call.cut);
        let pause = error.wait().unwrap_or_default().max(pause(call.attempts, random));
        if !helps || call.repeat == Repeat::Never || now + pause >= call.deadline {
            // What the handler itself refuses was asked for its key before: no earlier try took effect. Whatever
            // else is refused may have been refused before anybody looked at the key.
            let refused = error.code() == Code::Rejected && !error.is_maybe_applied();
            let proven = refused && matches!(call.repeat, Repeat::Keyed(_));
            let maybe = call.uncertain && !proven;
            self.finish(n, Err(error.maybe_applied(maybe)));
            return true;
        }
        call.attempts += 1;
        if std::mem::take(&mut call.flying) {
            self.flying -= 1;
        }
        self.later.insert((now + pause, n));
        true
    }

    /// The connection is gone: what may be sent again waits for the next one.
    pub(crate) fn lost(&mut self) {
        let flying: Vec<u64> = self.open.iter().filter(|(_, call)| call.flying).map(|(n, _)| *n).collect();
        for n in flying {
            let Some(call) = self.open.get_mut(&n) else { continue };
            if call.repeat == Repeat::Never {
                let detail = "the connection broke before the answer; the call may have taken effect: read the object \
                              before you repeat it";
                self.finish(n, Err(Error::unavailable(detail).maybe_applied(true)));
                continue;
            }
            (call.flying, call.uncertain) = (false, true);
            call.attempts += 1;
            self.ready.insert(n);
        }
        self.flying = 0;
    }

    /// From here on another caller is at work, and keys belong to callers: what may have taken effect already
    /// would take effect once more.
    pub(crate) fn change_caller(&mut self) {
        let doubtful = |call: &Pending| call.uncertain && matches!(call.repeat, Repeat::Keyed(_));
        let doubtful: Vec<u64> = self.open.iter().filter(|(_, call)| doubtful(call)).map(|(n, _)| *n).collect();
        for n in doubtful {
            let detail = "the connection broke before the answer, and its token is another caller's now; the call \
                          may have taken effect, and was not sent again";
            self.finish(n, Err(Error::unavailable(detail).maybe_applied(true)));
        }
    }

    /// There will be no connection any more.
    pub(crate) fn end(&mut self, error: &Error) {
        for call in std::mem::take(&mut self.open).into_values() {
            let _ = call.sink.send(Err(error.clone().maybe_applied(call.uncertain || call.flying)));
        }
        *self = Self::default();
    }

    /// Gives up what is too late, or nobody waits for; what the server is to be told of it.
    pub(crate) fn tick(&mut self, now: Instant, why: Option<&Error>) -> Vec<ClientFrame> {
        while let Some(&(at, n)) = self.later.first().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, n));
            self.ready.insert(n);
        }
        let mut frames = Vec::new();
        while let Some(&(at, n)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, n));
            let Some(call) = self.open.get(&n) else { continue };
            let (flying, maybe) = (call.flying, call.flying || call.uncertain);
            self.finish(n, Err(late(maybe, why)));
            frames.extend(flying.then_some(ClientFrame::Cancel { n }));
        }
        frames
    }

    /// Forgets the calls that nobody waits for.
    pub(crate) fn sweep(&mut self) -> Vec<ClientFrame> {
        let gone: Vec<u64> = self.open.iter().filter(|(_, call)| call.sink.is_closed()).map(|(n, _)| *n).collect();
        gone.into_iter().filter_map(|n| self.cancel(n)).collect()
    }

    /// Whether `next` has something to give.
    pub(crate) fn any_ready(&self, calls_max: u64) -> bool {
        !self.ready.is_empty() && (self.flying as u64) < calls_max
    }

    /// When `tick` has something to do.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.due.first().into_iter().chain(self.later.first()).map(|(at, _)| *at).min()
    }

    /// Whether any call waits for an answer on this connection.
    pub(crate) fn in_flight(&self) -> bool {
        self.flying > 0
    }

    fn finish(&mut self, n: u64, answer: Answer) {
        if let Some(call) = self.remove(n) {
            let _ = call.sink.send(answer);
        }
    }

    fn remove(&mut self, n: u64) -> Option<Pending> {
        let call = self.open.remove(&n)?;
        if call.flying {
            self.flying -= 1;
        }
        self.ready.remove(&n);
        self.due.remove(&(call.deadline + GRACE, n));
        Some(call)
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The error that a frame tells of.
pub(crate) fn error_of(frame: &ErrorFrame) -> Error {
    let mut error = Error::new(frame.code, frame.detail.clone()).maybe_applied(frame.maybe_applied);
    if let Some(data) = &frame.data {
        error = error.with_data(data.clone());
    }
    match frame.retry_after_ms {
        Some(ms) => error.retry_after(Duration::from_millis(ms)),
        None => error,
    }
}

/// Nothing came in time.
pub(crate) fn late(maybe: bool, why: Option<&Error>) -> Error {
    let why = why.map(|error| format!(" ({})", error.detail())).unwrap_or_default();
    let effect = if maybe {
        "the call may still take effect: read the object before you repeat it, or repeat it with a key that you gave it"
    } else {
        "it was not sent, and nothing was changed"
    };
    Error::new(Code::Deadline, format!("no answer came in time{why}; {effect}")).maybe_applied(maybe)
}

/// How long to wait before sending again, with up to half taken off by chance.
pub(crate) fn pause(attempts: u32, random: u64) -> Duration {
    let full = PAUSE_FIRST.saturating_mul(1 << attempts.min(10)).min(PAUSE_MAX);
    let parts = u32::try_from(random % 512).unwrap_or(0);
    full - full / 1024 * parts
}

#[cfg(test)]
mod tests;
