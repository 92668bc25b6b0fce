//! A transaction before it is made, and its way from the first object to the last commit.

use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

use abide_core::{
    Error, Json, Key, Result,
    error::Code,
    port::{BoxFuture, store::Outcome},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{Mutex, oneshot},
    time::{Instant, timeout_at},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{HELD, HasKey, Held, Seat, TRANSACTION_OBJECTS_MAX, Transaction, held_here};
use crate::{
    activation::{Claim, Lease, Member},
    alarm::Delay,
    call::{CALL_TIMEOUT_MAX, GRACE, check_call_key},
    context::Scope,
    job::{Bare, CallKey, Chain, Origin, Purpose},
    kind::KindEntry,
    node::NodeCore,
    object::Durability,
    principal::Principal,
};

type Body<'a, T> = Box<dyn FnOnce(Transaction) -> BoxFuture<'a, Result<T>> + Send + 'a>;

/// A transaction: await it, or say more first.
#[must_use = "a transaction does nothing until it is awaited"]
pub struct TransactionCall<'a, T> {
    node: Arc<NodeCore>,
    scope: Option<Scope>,
    keys: Result<Vec<Key>>,
    body: Body<'a, T>,
    timeout: Option<Duration>,
    principal: Option<Arc<Principal>>,
    keyed: Option<Keyed<T>>,
}

/// The key of a transaction that takes effect once, and how its answer is kept.
struct Keyed<T> {
    key: Arc<str>,
    encode: fn(&T) -> Result<Json>,
    decode: fn(&Json) -> Result<T>,
}

impl<'a, T> TransactionCall<'a, T> {
    pub(crate) fn new<F, Fut>(node: &Arc<NodeCore>, scope: Option<Scope>, objects: &[&dyn HasKey], body: F) -> Self
    where
        F: FnOnce(Transaction) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T>> + Send + 'a,
    {
        Self {
            node: node.clone(),
            scope,
            keys: objects.iter().map(|object| object.object_key()).collect(),
            body: Box::new(move |transaction| Box::pin(body(transaction))),
            timeout: None,
            principal: None,
            keyed: None,
        }
    }

    /// Gives it at most this long, for everything: `"2s"` or a `Duration`. The default is the node's for calls.
    pub fn timeout(mut self, timeout: impl Into<Delay>) -> Self {
        self.timeout = Some(timeout.into().0);
        self
    }

    /// Makes it on behalf of a principal.
    pub fn on_behalf_of(mut self, principal: Arc<Principal>) -> Self {
        self.principal = Some(principal);
        self
    }

    async fn run(self) -> Result<T> {
        let Self { node, scope, keys, body, timeout, principal, keyed } = self;
        let places = places(&node, keys?)?;
        let principal = principal.or_else(|| scope.as_ref().and_then(|scope| scope.principal.clone()));
        let deadline = Instant::now() + timeout.unwrap_or(node.options.call_timeout).min(CALL_TIMEOUT_MAX);
        let deadline = scope.as_ref().map_or(deadline, |scope| deadline.min(scope.deadline.at()));
        let call_key = keyed.as_ref().map(|keyed| call_key(&keyed.key, &places, principal.as_deref())).transpose()?;
        if let Some(scope) = &scope {
            scope.durable().await?;
        }
        let outer = scope.as_ref().map(Scope::chain_onward).or_else(held_here);
        let mut members = Vec::with_capacity(places.len());
        for (key, kind) in &places {
            members.push(Member::new(acquire(&node, key, kind, deadline, outer.clone()).await?));
        }
        if let (Some(keyed), Some(call_key)) = (&keyed, &call_key)
            && let Some(outcome) = node.outcome_of_before(&members[0], call_key).await?
        {
            return (keyed.decode)(&outcome.reply?);
        }
        let transaction = hold(&node, members, deadline, principal, outer);
        let ending = Ending(&transaction);
        let held = transaction.chain();
        let value = timeout_at(deadline, HELD.scope(held, body(transaction.clone()))).await;
        let value = value.map_err(|_| undone())??;
        let outcome = match (&keyed, &call_key) {
            (Some(keyed), Some(call_key)) => Some(outcome(&node, call_key, (keyed.encode)(&value)?)),
            _ => None,
        };
        let gate = node.commit_together(ending.0.end()?, outcome)?;
        match timeout_at(deadline + GRACE, gate.opened()).await {
            Ok(durable) => durable.map(|()| value),
            Err(_) => Err(late()),
        }
    }
}

impl<T: Serialize + DeserializeOwned> TransactionCall<'_, T> {
    /// Makes it take effect once, however often it is made with this key (1 to 256 bytes) over the same
    /// objects: made again it runs nothing, and answers what it answered. One that failed left nothing
    /// behind, and runs.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.keyed = Some(Keyed {
            key: key.into(),
            encode: |value| {
                Json::of(value).map_err(|e| {
                    Error::internal(format!(
                        "the transaction's answer cannot be written as JSON: {e}; nothing was changed"
                    ))
                })
            },
            decode: |json| {
                json.decode().map_err(|e| {
                    Error::internal(format!("the stored answer no longer has the transaction's type: {e}"))
                })
            },
        });
        self
    }
}

impl<'a, T: Send + 'a> IntoFuture for TransactionCall<'a, T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T> fmt::Debug for TransactionCall<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionCall({:?})", self.keys)
    }
}

/// Undoes a transaction that is left before its end.
struct Ending<'t>(&'t Transaction);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        drop(self.0.end());
    }
}

/// What is to be held, in the order of the keys, each once.
fn places(node: &NodeCore, mut keys: Vec<Key>) -> Result<Vec<(Key, Arc<KindEntry>)>> {
    keys.sort();
    keys.dedup();
    if keys.is_empty() || keys.len() > TRANSACTION_OBJECTS_MAX {
        let detail = format!(
            "a transaction holds 1 to {TRANSACTION_OBJECTS_MAX} objects, this one {}; nothing was changed",
            keys.len()
        );
        return Err(Error::bad_request(detail));
    }
    if keys.len() > 1 && !node.store.groups() {
        let detail = format!(
            "the {} store cannot commit several objects together; nothing was changed; send messages instead, or \
             use a store that can",
            node.store.name()
        );
        return Err(Error::bad_request(detail));
    }
    let shards: Vec<_> = keys.iter().map(|key| key.shard(node.store.shards())).collect();
    if !node.store.together(&shards) {
        let detail = format!(
            "{} and others of the transaction are in different databases, which do not commit together; nothing was \
             changed; send messages between them instead",
            keys[0]
        );
        return Err(Error::bad_request(detail));
    }
    let place = |key: Key| {
        let kind = node.kinds.find(key.kind())?.clone();
        check_kind(&kind)?;
        Ok((key, kind))
    };
    keys.into_iter().map(place).collect()
}

fn check_kind(kind: &KindEntry) -> Result<()> {
    let how = match kind.options.durability {
        _ if kind.options.stateless => "is stateless",
        Durability::Commit => return Ok(()),
        Durability::Behind(_) => "answers before it is durable (`behind`)",
        Durability::Volatile => "is never durable (`volatile`)",
    };
    let name = &kind.name;
    Err(Error::bad_request(format!(
        "{name} {how}, so it cannot be in a transaction; nothing was changed; call it apart"
    )))
}

/// Waits in the object's mailbox until the object is this transaction's alone.
async fn acquire(
    node: &Arc<NodeCore>,
    key: &Key,
    kind: &Arc<KindEntry>,
    deadline: Instant,
    outer: Option<Arc<Chain>>,
) -> Result<Lease> {
    let (granted, lease) = oneshot::channel();
    let claim = Arc::new(Claim::new(granted));
    let refused = claim.clone();
    let refuse = move |result: Result<_>| result.err().map_or((), |error| refused.refuse(error));
    let mut envelope = node.bare_envelope("transaction", Purpose::Timer, Bare::new(Some(Box::new(refuse))));
    envelope.origin = Origin::Transaction(claim);
    envelope.info.sync = false;
    envelope.deadline = deadline;
    envelope.chain = outer;
    node.submit(key, kind, envelope, false);
    match timeout_at(deadline, lease).await {
        Ok(Ok(lease)) => lease,
        Ok(Err(_)) => Err(Error::unavailable(format!(
            "{key} left this node before the transaction had it; nothing was changed; try again"
        ))),
        Err(_) => Err(Error::new(
            Code::Deadline,
            format!(
                "{key} was too busy to join the transaction in time; nothing was changed; try again, or give it more time"
            ),
        )),
    }
}

fn hold(
    node: &Arc<NodeCore>,
    members: Vec<Member>,
    deadline: Instant,
    principal: Option<Arc<Principal>>,
    outer: Option<Arc<Chain>>,
) -> Transaction {
    let chain = members
        .iter()
        .fold(outer, |outer, member| Some(Arc::new(Chain { key: member.key().clone(), outer, held: true })));
    let chain = chain.unwrap_or_else(|| unreachable!("BUG: a transaction holds nothing"));
    let seat = |member: Member| Seat { key: member.key().clone(), member: Mutex::new(Some(member)) };
    let seats = members.into_iter().map(seat).collect();
    Transaction(Arc::new(Held { node: node.clone(), seats, deadline, principal, chain, over: false.into() }))
}

fn call_key(key: &Arc<str>, places: &[(Key, Arc<KindEntry>)], principal: Option<&Principal>) -> Result<CallKey> {
    check_call_key(key)?;
    let mut text = String::from("transaction");
    for (key, _) in places {
        text.push('\0');
        text.push_str(&key.to_string());
    }
    let caller = principal.map(Principal::scope).unwrap_or_default();
    Ok(CallKey { caller: caller.into(), key: key.clone(), fingerprint: xxh3_64(text.as_bytes()) >> 1 })
}

fn outcome(node: &NodeCore, call_key: &CallKey, reply: Json) -> Outcome {
    Outcome {
        caller: call_key.caller.clone(),
        call_key: call_key.key.clone(),
        fingerprint: call_key.fingerprint,
        seq: abide_core::Seq::ZERO,
        reply: Ok(reply),
        expires_at: node.clock.now().plus(node.options.outcomes_kept),
    }
}

fn undone() -> Error {
    Error::new(
        Code::Deadline,
        "the transaction did not finish in time; all of it was undone; give it more time or less to do",
    )
}

fn late() -> Error {
    Error::new(
        Code::Deadline,
        "the store did not answer in time whether the transaction is durable; all of it may still take effect; \
         make it again with an idempotency key, or read the objects first",
    )
    .maybe_applied(true)
}
