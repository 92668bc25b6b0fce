//! Several objects that change together or not at all.

mod call;
mod member;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use abide_core::{Error, Key, Kind, Result, error::Code};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

pub use call::TransactionCall;
pub use member::HasKey;

use crate::{
    activation::Member,
    call::{DynamicCall, not_json},
    handle::{Handle, Place},
    job::{Chain, Envelope},
    node::NodeCore,
    object::Object,
    principal::Principal,
};

/// How many objects one transaction may hold.
pub const TRANSACTION_OBJECTS_MAX: usize = 64;

tokio::task_local! {
    /// The objects held by the transaction whose body runs: a call of theirs from outside of it would wait
    /// for ever.
    static HELD: Arc<Chain>;
}

/// A transaction under way: the objects it holds are called through it.
///
/// What its calls answer is not durable, and may yet be undone, until the transaction itself has answered.
/// Cloning is cheap.
#[derive(Clone)]
pub struct Transaction(Arc<Held>);

/// The objects a transaction holds, in the order of their keys.
pub(crate) struct Held {
    node: Arc<NodeCore>,
    seats: Vec<Seat>,
    deadline: Instant,
    principal: Option<Arc<Principal>>,
    chain: Arc<Chain>,
    over: AtomicBool,
}

struct Seat {
    key: Key,
    /// Taken out when the transaction is over. Calls of one object run one after the other.
    member: tokio::sync::Mutex<Option<Member>>,
}

impl Transaction {
    /// The typed handle of one of the transaction's objects: what is called through it happens in the
    /// transaction. An object that it does not hold is answered with `bad_request`.
    pub fn object<O: Object>(&self, id: &str) -> O::Ref {
        let key = self.0.node.kinds.name(O::KIND).and_then(|kind| self.key(&kind, id));
        O::Ref::from(Handle::new(key.and_then(|key| self.place(key))))
    }

    /// Calls a handler of one of the transaction's objects by names.
    pub fn call<R>(&self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> DynamicCall<R> {
        let key = self.0.node.kinds.name(kind).and_then(|kind| self.key(&kind, id));
        DynamicCall::new(key.and_then(|key| self.place(key)), handler, abide_core::Json::of(&args).map_err(not_json))
    }

    /// How much time the transaction has left.
    pub fn deadline(&self) -> std::time::Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    fn key(&self, kind: &Kind, id: &str) -> Result<Key> {
        match self.0.seats.first() {
            Some(seat) => Ok(Key::new(seat.key.namespace(), kind, id)?),
            None => Err(Error::internal("BUG: a transaction holds nothing")),
        }
    }

    fn place(&self, key: Key) -> Result<Place> {
        Ok(Place::find(&self.0.node, key)?.within(self))
    }

    pub(crate) fn limit(&self) -> Instant {
        self.0.deadline
    }

    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        self.0.principal.clone()
    }

    pub(crate) fn chain(&self) -> Arc<Chain> {
        self.0.chain.clone()
    }

    /// Runs a call on one of the objects. The answer goes through the envelope's job.
    pub(crate) async fn run(&self, key: &Key, envelope: Envelope) {
        let Some(seat) = self.0.seats.iter().find(|seat| seat.key == *key) else {
            let detail = format!(
                "{key} is not among the objects of this transaction; nothing was changed by the call; \
                 name every object when the transaction is begun"
            );
            return envelope.job.release(Err(Error::bad_request(detail)));
        };
        let Ok(mut member) = timeout_at(envelope.deadline, seat.member.lock()).await else {
            let detail = format!("another call of this transaction kept {key} until the time was over");
            return envelope.job.release(Err(Error::new(Code::Deadline, detail)));
        };
        match member.as_mut() {
            Some(member) => self.0.node.turn_within(member, envelope).await,
            None => {
                let detail = format!("the transaction is over; {key} was not called; call it outside of it");
                return envelope.job.release(Err(Error::bad_request(detail)));
            }
        }
        if self.0.over.load(Ordering::SeqCst) {
            *member = None;
        }
    }

    /// Ends it: what it holds is handed over, or nothing if a call is still under way.
    fn end(&self) -> Result<Vec<Member>> {
        self.0.over.store(true, Ordering::SeqCst);
        let taken: Vec<_> =
            self.0.seats.iter().map(|seat| (seat, seat.member.try_lock().map(|mut m| m.take()))).collect();
        let mut members = Vec::with_capacity(taken.len());
        for (seat, member) in taken {
            let Ok(Some(member)) = member else {
                let detail = format!(
                    "a call of {} was still under way when the transaction's body ended; nothing was changed; \
                     await every call",
                    seat.key
                );
                return Err(Error::bad_request(detail));
            };
            members.push(member);
        }
        Ok(members)
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.seats.iter().map(|seat| &seat.key)).finish()
    }
}

/// The objects held by the transaction whose body runs on this task, if there is one.
pub(crate) fn held_here() -> Option<Arc<Chain>> {
    HELD.try_with(Clone::clone).ok()
}
