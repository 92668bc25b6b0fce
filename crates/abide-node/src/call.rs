//! A call before it is made: key, deadline and delivery are chosen here.

use std::{fmt, future::IntoFuture, marker::PhantomData, sync::Arc, time::Duration};

use abide_core::{
    Error, Json, Key, Result,
    error::Code,
    port::{BoxFuture, Repeat, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::{Instant, sleep, timeout_at},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    alarm::Delay,
    answer::{Answer, WithSeq},
    context::{Context, Scope},
    handle::{Handle, Place, Spot},
    job::{CallKey, Envelope, HandlerInfo, HandlerJob, HandlerMeta, Origin, Reply, Sink},
    kind::KindEntry,
    node::NodeCore,
    object::{Access, Handler, Object},
    principal::Principal,
    transaction::{Transaction, held_here},
};

/// How often a call may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Never sent again once it may have run. The default.
    #[default]
    AtMostOnce,
    /// Sent again, until its deadline, whenever the failure can be retried: it may run twice.
    AtLeastOnce,
    /// Sent again like `AtLeastOnce`, with a key, so that it takes effect once.
    ExactlyOnce,
}

/// How a call is to be made.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// The idempotency key: calls of one caller with the same key take effect once.
    pub key: Option<Arc<str>>,
    /// How long to wait for the answer. `None`: the node's default (30 s).
    pub timeout: Option<Duration>,
    /// How often it may run.
    pub delivery: Delivery,
    /// On whose behalf.
    pub principal: Option<Arc<Principal>>,
    /// Whether `delivery` was chosen. A call over a connection that has not chosen takes effect once.
    pub chosen: bool,
    /// Whether the object has to be there already: a changing handler would make it, and is `denied`.
    pub existing: bool,
}

/// The longest idempotency key, in bytes.
pub const CALL_KEY_BYTES_MAX: usize = 256;

/// A typed call: await it, or say more first.
#[must_use = "a call does nothing until it is awaited or sent"]
pub struct Call<O: Object, H: Handler<O>> {
    pub(crate) handle: Handle<O>,
    pub(crate) args: H,
    pub(crate) options: CallOptions,
}

macro_rules! options {
    () => {
        /// Makes the call take effect once however often it is made with this key (1 to 256 bytes).
        pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
            self.options.key = Some(key.into());
            self.options.delivery = Delivery::ExactlyOnce;
            self.options.chosen = true;
            self
        }

        /// Waits at most this long for the answer: `"2s"` or a `Duration`.
        ///
        /// # Panics
        /// If a text is no duration. Check one that comes from users with `abide::duration::parse_duration`.
        pub fn timeout(mut self, timeout: impl Into<Delay>) -> Self {
            self.options.timeout = Some(timeout.into().0);
            self
        }

        /// Chooses how often the call may run.
        pub fn delivery(mut self, delivery: Delivery) -> Self {
            self.options.delivery = delivery;
            self.options.chosen = true;
            self
        }

        /// Calls on behalf of a principal.
        pub fn on_behalf_of(mut self, principal: Arc<Principal>) -> Self {
            self.options.principal = Some(principal);
            self
        }
    };
}

impl<O: Object, H: Handler<O>> Call<O, H> {
    pub(crate) fn new(handle: Handle<O>, args: H) -> Self {
        Self { handle, args, options: CallOptions::default() }
    }

    options!();

    /// Makes the call and answers with the seq it reflects, too.
    pub async fn reply(self) -> Result<Reply<H::Output>> {
        WithSeq(Answer::new(self)).await
    }

    /// Whether the caller's own task may run it.
    pub(crate) fn may_run_here(&self, place: &Place) -> bool {
        let plain =
            self.options.key.is_none() && self.options.delivery == Delivery::AtMostOnce && !self.options.existing;
        plain
            && H::SYNC
            && place.inline
            && place.scope.is_none()
            && place.transaction.is_none()
            && !place.node.options.metered
            && place.node.is_running()
    }

    /// Makes the call through the object's mailbox.
    pub(crate) async fn submit(self) -> Result<Reply<H::Output>> {
        let Self { handle, args, options } = self;
        let place = handle.place()?;
        let info = HandlerInfo::of::<O, H>();
        if options.key.is_none() && options.delivery == Delivery::AtMostOnce {
            let attempt = Attempt::start(place, &info, &options, None)?;
            return attempt.run(place, |sink| Ok(HandlerJob::<O, H>::new(args, Sink::Typed(sink)))).await;
        }
        let json = Json::of(&args).map_err(not_json)?;
        let keyed = options.key.is_some() || options.delivery == Delivery::ExactlyOnce;
        retrying(place, &info, options, &json, |sink| {
            let args = json.decode::<H>().map_err(not_json)?;
            let job = HandlerJob::<O, H>::new(args, Sink::Typed(sink));
            Ok(if keyed { job.keyed() } else { job })
        })
        .await
    }

    /// Makes the call over a connection: here its arguments and its answer become JSON.
    pub(crate) async fn over_connection(self) -> Result<Reply<H::Output>> {
        let Self { handle, args, options } = self;
        let Spot::There(remote) = &**handle.spot() else {
            return Err(Error::internal("BUG: a call of an object on this node was sent over a connection"));
        };
        if options.principal.is_some() {
            return Err(Error::bad_request(
                "a call over a connection is made on behalf of who connected; nothing was changed",
            ));
        }
        let repeat = match (options.key, options.delivery) {
            (Some(key), _) => Repeat::Keyed(Some(key)),
            (None, Delivery::ExactlyOnce) => Repeat::Keyed(None),
            (None, Delivery::AtLeastOnce) => Repeat::Freely,
            (None, Delivery::AtMostOnce) if options.chosen => Repeat::Never,
            // What only reads may be sent as often as it takes.
            (None, Delivery::AtMostOnce) if H::ACCESS == Access::Shared => Repeat::Freely,
            (None, Delivery::AtMostOnce) => Repeat::Keyed(None),
        };
        let request = Request {
            kind: remote.key.kind().clone(),
            id: remote.key.id().to_owned(),
            handler: H::NAME.to_owned(),
            args: Json::of(&args).map_err(not_json)?,
            repeat,
            timeout: options.timeout,
        };
        let (value, seq) = remote.caller.call(request).await?;
        let value = value.decode().map_err(|error| Error::misread(&error))?;
        Ok(Reply { value, seq })
    }

    /// Sends it as a durable message instead: stored with the turn of `ctx`, delivered after it, in
    /// order, applied once.
    pub fn send(self, ctx: &mut Context) -> Result<()> {
        let place = self.handle.place()?;
        let args = Json::of(&self.args).map_err(not_json)?;
        ctx.send_message(place.key.clone(), H::NAME.into(), args)
    }
}

impl<O: Object, H: Handler<O>> IntoFuture for Call<O, H> {
    type Output = Result<H::Output>;
    type IntoFuture = Answer<O, H>;

    fn into_future(self) -> Self::IntoFuture {
        Answer::new(self)
    }
}

/// A call by names, whose answer is decoded as `R`.
#[must_use = "a call does nothing until it is awaited"]
pub struct DynamicCall<R> {
    place: Result<Place>,
    handler: String,
    args: Result<Json>,
    options: CallOptions,
    answer: PhantomData<fn() -> R>,
}

impl<R> DynamicCall<R> {
    pub(crate) fn new(place: Result<Place>, handler: &str, args: Result<Json>) -> Self {
        Self { place, handler: handler.into(), args, options: CallOptions::default(), answer: PhantomData }
    }

    pub(crate) fn scoped(scope: &Scope, kind: &str, id: &str, handler: &str, args: &impl Serialize) -> Self {
        let place = Place::scoped(scope, kind, id);
        Self::new(place, handler, Json::of(args).map_err(not_json))
    }

    options!();

    /// Sets all options at once.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the call; the answer stays JSON.
    pub async fn json(self) -> Result<Reply<Json>> {
        let place = self.place?;
        let args = self.args?;
        let info = place.kind.handler(&self.handler)?;
        let make = |sink| (info.make)(args.as_str(), Sink::Json(sink));
        if self.options.key.is_none() && self.options.delivery == Delivery::AtMostOnce {
            return Attempt::start(&place, info, &self.options, None)?.run_boxed(&place, make).await;
        }
        retrying_boxed(&place, info, self.options, &args, make).await
    }
}

impl<R: DeserializeOwned> IntoFuture for DynamicCall<R> {
    type Output = Result<R>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { place, handler, args, options, .. } = self;
        let call = DynamicCall::<()> { place, handler, args, options, answer: PhantomData };
        Box::pin(async move {
            let reply = call.json().await?;
            reply.value.decode().map_err(|error| Error::misread(&error))
        })
    }
}

impl<R> fmt::Debug for DynamicCall<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamicCall({})", self.handler)
    }
}

pub(crate) fn not_json(error: impl std::fmt::Display) -> Error {
    Error::bad_request(format!("the arguments cannot be written as JSON: {error}; nothing was changed"))
}

/// One try of a call.
struct Attempt {
    meta: HandlerMeta,
    deadline: Instant,
    principal: Option<Arc<Principal>>,
    call_key: Option<Box<CallKey>>,
    existing: bool,
}

impl Attempt {
    fn start(place: &Place, info: &HandlerInfo, options: &CallOptions, args: Option<&Json>) -> Result<Self> {
        let scope = place.scope.as_deref();
        let transaction = place.transaction.as_ref();
        if transaction.is_some() && (options.key.is_some() || options.delivery != Delivery::AtMostOnce) {
            return Err(Error::bad_request(
                "a call within a transaction is made once, with all of it; nothing was changed; give the key to the \
                 transaction instead",
            ));
        }
        let principal = options.principal.clone().or_else(|| scope.and_then(|s| s.principal.clone()));
        let principal = principal.or_else(|| transaction.and_then(Transaction::principal));
        let timeout = options.timeout.unwrap_or(place.node.options.call_timeout);
        let deadline = Instant::now() + timeout.min(CALL_TIMEOUT_MAX);
        let deadline = scope.map_or(deadline, |s| deadline.min(s.deadline.at()));
        let deadline = transaction.map_or(deadline, |t| deadline.min(t.limit()));
        let call_key = options.key.as_ref().map(|key| call_key(key, info, principal.as_deref(), args)).transpose()?;
        Ok(Self { meta: place.meta(info), deadline, principal, call_key, existing: options.existing })
    }

    async fn run<T, J: crate::job::Job + 'static>(
        self,
        place: &Place,
        make: impl FnOnce(oneshot::Sender<Result<Reply<T>>>) -> Result<Box<J>>,
    ) -> Result<Reply<T>> {
        self.run_boxed(place, |sink| make(sink).map(|job| job as Box<dyn crate::job::Job>)).await
    }

    async fn run_boxed<T>(
        self,
        place: &Place,
        make: impl FnOnce(oneshot::Sender<Result<Reply<T>>>) -> Result<Box<dyn crate::job::Job>>,
    ) -> Result<Reply<T>> {
        let (tx, rx) = oneshot::channel();
        let job = make(tx)?;
        if let Some(scope) = &place.scope {
            scope.durable().await?;
        }
        let (deadline, handler) = (self.deadline, self.meta.name);
        let chain = match (&place.transaction, &place.scope) {
            (Some(transaction), _) => Some(transaction.chain()),
            (None, Some(scope)) => Some(scope.chain_onward()),
            (None, None) => held_here(),
        };
        let envelope = Envelope {
            job,
            info: self.meta,
            origin: Origin::Call,
            deadline,
            principal: self.principal,
            chain,
            call_key: self.call_key,
            existing: self.existing,
            received_at: place.node.options.metered.then(Instant::now),
        };
        match &place.transaction {
            Some(transaction) => {
                place.node.traffic.note(&place.key, &envelope);
                transaction.run(&place.key, envelope).await;
            }
            None => place.node.submit(&place.key, &place.kind, envelope, place.inline),
        }
        receive(rx, deadline + GRACE).await.unwrap_or_else(|| Err(late(&place.key, handler)))
    }
}

/// The answer to a call; `None` if it does not come in time.
async fn receive<T>(mut answer: oneshot::Receiver<Result<Reply<T>>>, deadline: Instant) -> Option<Result<Reply<T>>> {
    let dropped = || Err(Error::internal("BUG: a call was dropped without an answer").maybe_applied(true));
    // A turn that ran right here needs no timer.
    match answer.try_recv() {
        Ok(result) => Some(result),
        Err(TryRecvError::Closed) => Some(dropped()),
        Err(TryRecvError::Empty) => {
            let result = timeout_at(deadline, answer).await.ok()?;
            Some(result.unwrap_or_else(|_| dropped()))
        }
    }
}

/// How long a caller waits beyond its deadline for the node's own word on it: a turn is undone at the
/// deadline, and then the answer says that nothing was changed.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

/// No call waits longer than this.
pub(crate) const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn late(key: &Key, handler: &str) -> Error {
    Error::new(
        Code::Deadline,
        format!(
            "{key} did not answer {handler} in time; the call may still take effect; \
             retry with an idempotency key, or read the object first"
        ),
    )
    .maybe_applied(true)
}

fn call_key(
    key: &Arc<str>,
    info: &HandlerInfo,
    principal: Option<&Principal>,
    args: Option<&Json>,
) -> Result<Box<CallKey>> {
    check_call_key(key)?;
    let caller = principal.map(Principal::scope).unwrap_or_default();
    let args = args.map(|args| (info.canonical)(args.as_str())).transpose()?;
    let args = args.as_ref().map_or("", Json::as_str);
    let fingerprint = xxh3_64(format!("{}\0{args}", info.name).as_bytes()) >> 1;
    Ok(Box::new(CallKey { caller: caller.into(), key: key.clone(), fingerprint }))
}

pub(crate) fn check_call_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > CALL_KEY_BYTES_MAX {
        let bytes = key.len();
        return Err(Error::bad_request(format!(
            "an idempotency key has 1 to {CALL_KEY_BYTES_MAX} bytes, this one has {bytes}; nothing was changed"
        )));
    }
    Ok(())
}

async fn retrying<T, J: crate::job::Job + 'static>(
    place: &Place,
    info: &HandlerInfo,
    options: CallOptions,
    args: &Json,
    make: impl Fn(oneshot::Sender<Result<Reply<T>>>) -> Result<Box<J>>,
) -> Result<Reply<T>> {
    retrying_boxed(place, info, options, args, |sink| make(sink).map(|job| job as Box<dyn crate::job::Job>)).await
}

/// Tries until it succeeds, fails for good, or the deadline is over.
async fn retrying_boxed<T>(
    place: &Place,
    info: &HandlerInfo,
    mut options: CallOptions,
    args: &Json,
    make: impl Fn(oneshot::Sender<Result<Reply<T>>>) -> Result<Box<dyn crate::job::Job>>,
) -> Result<Reply<T>> {
    if options.delivery == Delivery::ExactlyOnce && options.key.is_none() {
        options.key = Some(format!("{:016x}{:016x}", place.node.clock.random(), place.node.clock.random()).into());
    }
    let timeout = options.timeout.unwrap_or(place.node.options.call_timeout);
    let deadline = Instant::now() + timeout.min(CALL_TIMEOUT_MAX);
    let mut wait = Duration::from_millis(10);
    // An earlier try may have taken effect although the last one certainly did not.
    let mut maybe_applied = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        options.timeout = Some(left);
        let attempt = Attempt::start(place, info, &options, Some(args))?;
        let error = match attempt.run_boxed(place, &make).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        maybe_applied |= error.is_maybe_applied();
        let again = options.delivery != Delivery::AtMostOnce
            && matches!(error.code(), Code::Unavailable | Code::Overloaded)
            && place.node.is_running()
            && Instant::now() + wait < deadline;
        if !again {
            // With a key, the handler's own refusal proves that no earlier try took effect. Other failures may
            // have come before anybody looked.
            let open = options.key.is_none() || error.code() != Code::Rejected;
            return Err(error.maybe_applied(maybe_applied && open));
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Whether and how the node may run a call for this kind on the caller's own task.
pub(crate) fn may_inline(kind: &KindEntry, node: &NodeCore) -> bool {
    node.options.inline && !kind.options.stateless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_dropped_without_an_answer_is_an_error_and_may_have_taken_effect() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let (before, dropped) = oneshot::channel::<Result<Reply<()>>>();
        drop(before);
        let (later, waits) = oneshot::channel::<Result<Reply<()>>>();
        let late = async {
            tokio::task::yield_now().await;
            drop(later);
        };
        let (first, second, ()) = tokio::join!(receive(dropped, deadline), receive(waits, deadline), late);
        for answer in [first, second] {
            let error = answer.unwrap().unwrap_err();
            assert_eq!((error.code(), error.is_maybe_applied()), (Code::Internal, true));
        }
    }
}
