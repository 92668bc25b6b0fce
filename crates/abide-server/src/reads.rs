//! Reads that may be much: how many are under way for one connection at a time, and how long each may take.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use abide_core::{Code, Error, Namespace, Result, duration::format_duration};
use abide_node::{Changes, News, Step};
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Caller, Limits};

/// How many lists and states of one connection of frames are read at a time: each may hold megabytes.
pub(crate) const OF_FRAMES: usize = 4;

/// How many states are read at a time for what a connection of frames begins to watch.
pub(crate) const OF_WATCHES: usize = 16;

/// How many lists, states and pages of changes of one caller are read and on their way over one connection at a time.
pub(crate) const OF_CALLER: usize = 16;

/// How long a request waits for its turn. Whoever takes nothing of what it has asked for is cut later than that.
const WAITS_MAX: Duration = Duration::from_secs(10);

/// How many objects or changes are read from the store first, and how many at once at most: each may be large.
const FIRST: usize = 16;
const AT_ONCE: usize = 64;

/// How many objects or changes to read next for a page that has `read` of them, which are so many `bytes` of the
/// `page_bytes` it may have: as many as fit if they are no larger than those before.
pub(crate) fn next_few(read: usize, bytes: usize, page_bytes: usize) -> usize {
    match bytes.checked_div(read) {
        None => FIRST,
        Some(each) => (page_bytes.saturating_sub(bytes) / each.max(1)).clamp(1, AT_ONCE),
    }
}

/// Turns to read.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    turns: Arc<Semaphore>,
    /// Turns of more than these: one of them is needed, too.
    beside: Option<Arc<Semaphore>>,
}

/// A turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _beside: Option<OwnedSemaphorePermit>,
}

/// The turns of one connection, which may be a proxy's that speaks for many: each caller has its own, so that none
/// who takes nothing holds up others.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadsOfCallers(Arc<Mutex<FxHashMap<Name, Weak<Semaphore>>>>);

/// The tenant and the subject of a caller; those who have not said who they are have one name together.
type Name = Option<(Namespace, String)>;

impl ReadsOfCallers {
    /// Those of this caller. They are known for as long as it has a turn or waits for one.
    pub(crate) fn of(&self, caller: &Caller) -> Reads {
        let name = caller.principal().map(|principal| (principal.namespace.clone(), principal.subject.clone()));
        let mut all = self.0.lock();
        if let Some(turns) = all.get(&name).and_then(Weak::upgrade) {
            return Reads { turns, beside: None };
        }
        // There are no more of them than requests under way.
        all.retain(|_, turns| turns.strong_count() > 0);
        let reads = Reads::of(OF_CALLER);
        all.insert(name, Arc::downgrade(&reads.turns));
        reads
    }
}

impl Reads {
    /// So many at a time.
    pub(crate) fn of(most: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(most)), beside: None }
    }

    /// So many at a time, each of which needs one of these turns as well.
    pub(crate) fn among(self, most: usize) -> Self {
        Self { beside: Some(self.turns), ..Self::of(most) }
    }

    /// Waits until one more may be read.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let permit = async |turns: &Arc<Semaphore>| {
            let permit = turns.clone().acquire_owned().await;
            permit.map_err(|_| Error::unavailable("the connection has ended"))
        };
        // Always in this order, so that no two wait for each other.
        let _permit = permit(&self.turns).await?;
        let _beside = match &self.beside {
            Some(turns) => Some(permit(turns).await?),
            None => None,
        };
        Ok(Turn { _permit, _beside })
    }

    /// Waits until one more may be read, and not for long.
    ///
    /// # Errors
    /// `overloaded`.
    pub(crate) async fn turn_soon(&self, limits: &Limits) -> Result<Turn> {
        let turn = timeout(limits.request_timeout.min(WAITS_MAX), self.turn()).await;
        turn.unwrap_or_else(|_| {
            let detail = format!(
                "{OF_CALLER} answers to this caller are on their way over this connection, and it was not this one's \
                 turn in time; read those first, or ask over another connection"
            );
            Err(Error::new(Code::Overloaded, detail))
        })
    }

    /// What comes next of a watch. A whole state is read when it is its turn, and has the turn until it is handed out.
    pub(crate) async fn news(&self, changes: &mut Changes) -> Option<Result<(News, Option<Turn>)>> {
        Some(match changes.step().await? {
            Ok(Step::News(news)) => Ok((news, None)),
            Err(error) => Err(error),
            // Rare: an idle watch does not carry it.
            Ok(Step::Gap(reason)) => {
                let reset = async {
                    let turn = self.turn().await?;
                    Ok((News::Update(changes.reset(reason).await?), Some(turn)))
                };
                Box::pin(reset).await
            }
        })
    }
}

impl Turn {
    /// The body of an answer, which has the turn until it is taken or given up.
    pub(crate) fn until_taken(self, body: Body) -> Body {
        Body::new(Held { body, _turn: self })
    }
}

/// As for any request, there is an end to waiting.
pub(crate) async fn in_time<T>(within: Duration, changes: bool, answer: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(within, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(late(within, changes)),
    }
}

/// What is said of a request that took too long.
pub(crate) fn late(within: Duration, changes: bool) -> Error {
    let detail = format!("there was no answer within {}; try again, or ask for less", format_duration(within));
    Error::new(Code::Deadline, detail).maybe_applied(changes)
}

struct Held {
    body: Body,
    _turn: Turn,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use abide_node::Principal;
    use futures_util::FutureExt;

    use super::*;
    use crate::Means;

    fn caller(tenant: &str, subject: &str) -> Caller {
        let namespace = Namespace::new(tenant).unwrap();
        Caller::known(Principal { subject: subject.into(), namespace, ..Principal::default() }, Means::Token)
    }

    fn has_one(reads: &Reads) -> Option<Turn> {
        reads.turn().now_or_never().transpose().unwrap()
    }

    #[test]
    fn each_caller_has_its_own_turns_and_is_forgotten_when_it_has_none() {
        let of = ReadsOfCallers::default();
        let (alice, elsewhere) = (caller("default", "alice"), caller("acme", "alice"));
        let turns: Vec<_> = (0..OF_CALLER).map(|_| has_one(&of.of(&alice)).unwrap()).collect();
        assert!(has_one(&of.of(&alice)).is_none());
        for other in [caller("default", "bob"), elsewhere, Caller::unasked()] {
            assert!(has_one(&of.of(&other)).is_some(), "{other:?}");
        }
        drop(turns);
        assert!(has_one(&of.of(&alice)).is_some());
        let _one = of.of(&caller("default", "carol"));
        assert_eq!(of.0.lock().len(), 1, "whoever has gone is remembered");
    }

    #[test]
    fn one_of_many_has_few_of_their_turns() {
        let all = Reads::of(3);
        let (some, others) = (all.clone().among(2), all.clone().among(2));
        let mut turns = vec![has_one(&some).unwrap(), has_one(&some).unwrap()];
        assert!(has_one(&some).is_none());
        turns.push(has_one(&others).unwrap());
        assert!(has_one(&others).is_none() && has_one(&all).is_none());
        turns.clear();
        assert!(has_one(&all).is_some() && has_one(&some).is_some());
    }

    #[test]
    fn a_page_begins_with_few_and_goes_on_with_as_many_as_fit() {
        for (read, bytes, next) in
            [(0, 0, FIRST), (16, 1_600, AT_ONCE), (16, 400_000, 24), (16, 999_999, 1), (16, 2_000_000, 1)]
        {
            assert_eq!(next_few(read, bytes, 1_000_000), next, "{read} of {bytes} bytes");
        }
    }
}
