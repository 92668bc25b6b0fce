//! A call on its way: arguments, where the answer goes, and what erases their types.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use abide_core::{
    Encoded, Error, Json, Key, Operations, Seq, State, Unknown,
    error::Code,
    port::store::{MessageId, Notice, Outcome},
    schema::schema_of,
};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    activation::Claim,
    blocking::{busy, watched},
    context::Context,
    metrics::HandlerMetrics,
    object::{Access, Borrowed, Handler, Object, Parameter, Running},
    principal::Principal,
};

/// The answer to a call and the seq of the object it reflects.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<T> {
    /// What the handler returned.
    pub value: T,
    /// The object's seq that the answer reflects.
    pub seq: Seq,
}

/// An object whose type is not known here.
pub(crate) trait AnyObject: Any + Send + Sync {
    fn encode(&self, unknown: &Unknown, out: &mut Encoded) -> Result<(), serde_json::Error>;
    fn take_operations(&mut self, out: &mut Operations);
    /// Takes over the fields that are not stored from another object of its kind, which is thrown away then.
    fn keep_unstored(&mut self, from: &mut dyn AnyObject);
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<O: Object> AnyObject for O {
    fn encode(&self, unknown: &Unknown, out: &mut Encoded) -> Result<(), serde_json::Error> {
        out.fill(self, unknown)
    }

    fn take_operations(&mut self, out: &mut Operations) {
        State::take_operations(self, out);
    }

    fn keep_unstored(&mut self, from: &mut dyn AnyObject) {
        if let Some(from) = from.as_any_mut().downcast_mut() {
            State::keep_unstored(self, from);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The object, as a job gets it.
pub(crate) enum Target<'a> {
    Exclusive(&'a mut dyn AnyObject),
    Shared(&'a dyn AnyObject),
}

impl<'a> Target<'a> {
    fn borrowed<O: Object>(self) -> Borrowed<'a, O> {
        const WRONG: &str = "BUG: a job of one kind met an object of another";
        match self {
            Self::Exclusive(object) => Borrowed::Exclusive(object.as_any_mut().downcast_mut().expect(WRONG)),
            Self::Shared(object) => Borrowed::Shared(object.as_any().downcast_ref().expect(WRONG)),
        }
    }
}

/// A handler with its arguments and the way back to its caller.
pub(crate) trait Job: Send {
    /// Runs the handler; keeps what it returned.
    fn run<'a>(&'a mut self, object: Target<'a>, ctx: &'a mut Context) -> Running<'a, ()>;

    /// Whether the handler panicked.
    fn has_panicked(&self) -> bool;

    /// What it returned, as JSON, if somebody needs it so.
    fn reply(&self) -> Option<Json>;

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Sends the answer.
    fn release(self: Box<Self>, result: Result<Seq, Error>);

    /// Sends an answer that was given before.
    fn release_stored(self: Box<Self>, outcome: &Outcome);
}

/// Where an answer goes.
pub(crate) enum Sink<T> {
    Typed(oneshot::Sender<Result<Reply<T>, Error>>),
    Json(oneshot::Sender<Result<Reply<Json>, Error>>),
    Callback(Done),
}

impl<T> Sink<T> {
    fn fail(self, error: Error) {
        match self {
            Self::Typed(tx) => drop(tx.send(Err(error))),
            Self::Json(tx) => drop(tx.send(Err(error))),
            Self::Callback(callback) => callback(Err(error)),
        }
    }
}

pub(crate) struct HandlerJob<O: Object, H: Handler<O>> {
    args: Option<H>,
    output: Option<H::Output>,
    /// The answer as JSON. It is written in the turn, which fails if it cannot be.
    text: Option<Json>,
    /// Whether it is needed.
    written: bool,
    panicked: bool,
    sink: Sink<H::Output>,
}

impl<O: Object, H: Handler<O>> HandlerJob<O, H> {
    /// One whose handler has run already; only the answer is left to send.
    pub(crate) fn finished(output: Option<H::Output>, sink: Sink<H::Output>) -> Box<Self> {
        Box::new(Self { args: None, output, text: None, written: false, panicked: false, sink })
    }

    pub(crate) fn new(args: H, sink: Sink<H::Output>) -> Box<Self> {
        let written = matches!(sink, Sink::Json(_));
        Box::new(Self { args: Some(args), output: None, text: None, written, panicked: false, sink })
    }

    /// One whose answer is stored as an outcome, wherever it goes.
    pub(crate) fn keyed(mut self: Box<Self>) -> Box<Self> {
        self.written = true;
        self
    }
}

impl<O: Object, H: Handler<O>> Job for HandlerJob<O, H> {
    fn run<'a>(&'a mut self, object: Target<'a>, ctx: &'a mut Context) -> Running<'a, ()> {
        let Self { args, output, text, written, panicked: fell, .. } = self;
        let Some(args) = args.take() else {
            return Running::Done(Err(Error::internal("BUG: a job ran twice")));
        };
        let keep = move |value: H::Output| {
            if *written {
                *text = Some(encode_reply(H::NAME, &value)?);
            }
            *output = Some(value);
            Ok(())
        };
        let object = object.borrowed::<O>();
        let started = std::panic::catch_unwind(AssertUnwindSafe(move || {
            let _busy = busy::<O, H>();
            args.run(object, ctx)
        }));
        match started {
            Err(panic) => {
                *fell = true;
                Running::Done(Err(panicked(H::NAME, &*panic)))
            }
            Ok(Running::Done(result)) => Running::Done(result.and_then(keep)),
            Ok(Running::Waiting(future)) => Running::Waiting(Box::pin(async move {
                match AssertUnwindSafe(watched::<O, H>(future)).catch_unwind().await {
                    Ok(result) => result.and_then(keep),
                    Err(panic) => {
                        *fell = true;
                        Err(panicked(H::NAME, &*panic))
                    }
                }
            })),
        }
    }

    fn has_panicked(&self) -> bool {
        self.panicked
    }

    fn reply(&self) -> Option<Json> {
        self.text.clone()
    }

    fn is_abandoned(&self) -> bool {
        match &self.sink {
            Sink::Typed(tx) => tx.is_closed(),
            Sink::Json(tx) => tx.is_closed(),
            Sink::Callback(_) => false,
        }
    }

    fn release(self: Box<Self>, result: Result<Seq, Error>) {
        let Self { output, text, sink, .. } = *self;
        let seq = match result {
            Ok(seq) => seq,
            Err(error) => return sink.fail(error),
        };
        match sink {
            Sink::Json(tx) => {
                let value = text.ok_or_else(|| Error::internal("BUG: a job succeeded without a written result"));
                drop(tx.send(value.map(|value| Reply { value, seq })));
            }
            Sink::Typed(tx) => match output {
                Some(value) => drop(tx.send(Ok(Reply { value, seq }))),
                None => drop(tx.send(Err(Error::internal("BUG: a job succeeded without a result")))),
            },
            Sink::Callback(callback) => callback(Ok(seq)),
        }
    }

    fn release_stored(self: Box<Self>, outcome: &Outcome) {
        let seq = outcome.seq;
        let json = match &outcome.reply {
            Ok(json) => json.clone(),
            Err(error) => return self.sink.fail(error.clone()),
        };
        match self.sink {
            Sink::Json(tx) => drop(tx.send(Ok(Reply { value: json, seq }))),
            Sink::Typed(tx) => {
                let decode = || {
                    json.decode().map_err(|e| {
                        Error::internal(format!("the stored answer no longer has the handler's type: {e}"))
                    })
                };
                let value = guarded(|| format!("reading the stored answer of handler {}", H::NAME), decode);
                drop(tx.send(value.map(|value| Reply { value, seq })));
            }
            Sink::Callback(callback) => callback(Ok(seq)),
        }
    }
}

fn encode_reply<T: serde::Serialize>(handler: &str, output: &T) -> Result<Json, Error> {
    let encode = || {
        Json::of(output).map_err(|e| {
            let detail = format!("the result of handler {handler} cannot be written as JSON: {e}; nothing was changed");
            Error::internal(detail)
        })
    };
    guarded(|| format!("writing the result of handler {handler}"), encode)
}

/// Runs what users write besides handlers: `Serialize`, `Deserialize`, `Default`, `migrate`. A panic in it is
/// an error, and ends nothing else.
pub(crate) fn guarded<T>(what: impl FnOnce() -> String, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(fell(&what(), &*panic)))
}

pub(crate) fn panicked(handler: &str, panic: &(dyn Any + Send)) -> Error {
    fell(&format!("handler {handler}"), panic)
}

/// The error that a panic is. Who meets one undoes the turn.
fn fell(what: &str, panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let id = ulid::Ulid::generate().to_string();
    tracing::error!(what, message, fault = %id, "panicked; the turn was rolled back");
    Error::internal(format!(
        "{what} failed unexpectedly; its turn was rolled back; the node's log has the cause under {id}"
    ))
    .with_data(serde_json::json!({ "id": id }))
}

/// What runs when a job is over.
pub(crate) type Done = Box<dyn FnOnce(Result<Seq, Error>) + Send>;

/// A job without a handler: it does nothing to its object, or fails.
pub(crate) struct Bare {
    fails: Option<Error>,
    done: Option<Done>,
}

impl Bare {
    /// Succeeds; the turn's effects are all there is (delete, leaving memory).
    pub(crate) fn new(done: Option<Done>) -> Self {
        Self { fails: None, done }
    }

    /// Fails with `error`.
    pub(crate) fn failing(error: Error, done: Option<Done>) -> Self {
        Self { fails: Some(error), done }
    }
}

impl Job for Bare {
    fn run<'a>(&'a mut self, _: Target<'a>, _: &'a mut Context) -> Running<'a, ()> {
        Running::Done(self.fails.take().map_or(Ok(()), Err))
    }

    fn has_panicked(&self) -> bool {
        false
    }

    fn reply(&self) -> Option<Json> {
        Some(Json::null())
    }

    fn is_abandoned(&self) -> bool {
        false
    }

    fn release(self: Box<Self>, result: Result<Seq, Error>) {
        if let Some(done) = self.done {
            done(result);
        }
    }

    fn release_stored(self: Box<Self>, outcome: &Outcome) {
        self.release(Ok(outcome.seq));
    }
}

/// A handler without its type: how to read its arguments and run it.
#[derive(Clone)]
pub(crate) struct HandlerInfo {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) sync: bool,
    pub(crate) reentrant: bool,
    pub(crate) description: &'static str,
    pub(crate) parameters: fn() -> Vec<Parameter>,
    pub(crate) output: fn() -> Value,
    pub(crate) make: MakeJob,
    /// Its arguments as the handler itself would write them, however the caller did.
    pub(crate) canonical: fn(&str) -> Result<Json, Error>,
    pub(crate) metrics: Option<Arc<HandlerMetrics>>,
}

type MakeJob = fn(args: &str, sink: Sink<Json>) -> Result<Box<dyn Job>, Error>;

impl HandlerInfo {
    pub(crate) fn of<O: Object, H: Handler<O>>() -> Self {
        Self {
            name: H::NAME,
            access: H::ACCESS,
            sync: H::SYNC,
            reentrant: H::REENTRANT,
            description: H::description(),
            parameters: H::parameters,
            output: schema_of::<H::Output>,
            make: make_job::<O, H>,
            canonical: canonical_arguments::<O, H>,
            metrics: None,
        }
    }
}

fn make_job<O: Object, H: Handler<O>>(args: &str, sink: Sink<Json>) -> Result<Box<dyn Job>, Error> {
    let args = read_arguments::<O, H>(args)?;
    let sink = match sink {
        Sink::Typed(tx) | Sink::Json(tx) => Sink::Json(tx),
        Sink::Callback(callback) => Sink::Callback(callback),
    };
    Ok(HandlerJob::<O, H>::new(args, sink))
}

fn canonical_arguments<O: Object, H: Handler<O>>(args: &str) -> Result<Json, Error> {
    let args = read_arguments::<O, H>(args)?;
    let write = || {
        Json::of(&args).map_err(|e| {
            Error::bad_request(format!("the arguments cannot be written as JSON: {e}; nothing was changed"))
        })
    };
    guarded(|| format!("writing the arguments of handler {}", H::NAME), write)
}

fn read_arguments<O: Object, H: Handler<O>>(args: &str) -> Result<H, Error> {
    let read = || serde_json::from_str(args).map_err(|error| wrong_arguments::<O, H>(args, &error));
    guarded(|| format!("reading the arguments of handler {}", H::NAME), read)
}

fn wrong_arguments<O: Object, H: Handler<O>>(args: &str, error: &serde_json::Error) -> Error {
    let expected: Vec<String> =
        H::parameters().iter().map(|p| format!("{}{}", p.name, if p.optional { " (optional)" } else { "" })).collect();
    let expected = if expected.is_empty() { "no arguments".into() } else { expected.join(", ") };
    let shown: String = args.chars().take(120).collect();
    Error::new(
        Code::BadRequest,
        format!("{}.{} takes {expected}; {shown} does not fit: {error}; nothing was changed", O::KIND, H::NAME),
    )
}

/// Where a call came from, and what its turn's commit must hold besides its effects.
pub(crate) enum Origin {
    /// A caller waits for it.
    Call,
    /// An alarm is due.
    Alarm { name: Arc<str>, token: u64 },
    /// A transaction wants to hold it.
    Transaction(Arc<Claim>),
    /// A durable message of another object.
    Message(Box<MessageId>),
    /// Foreign programs may have written to it. The turn itself looks what.
    Foreign(Notice),
    /// A timer, or the node itself.
    Node(Purpose),
}

/// What the node itself wants of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Run a timer's handler.
    Timer,
    /// Run `on_activate`.
    Activate,
    /// Run `on_deactivate`, then leave memory.
    Deactivate,
    /// Delete the object.
    Delete,
    /// Create a session object, and run `on_connect`.
    Connect,
    /// Run `on_disconnect`, and delete the session object.
    Disconnect,
}

/// The key of a call that takes effect once.
#[derive(Clone, Debug)]
pub(crate) struct CallKey {
    pub(crate) caller: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) fingerprint: u64,
}

/// The objects whose turns wait for this call, innermost first.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) key: Key,
    pub(crate) outer: Option<Arc<Self>>,
    /// It is held by a transaction rather than by a turn.
    pub(crate) held: bool,
}

impl Chain {
    pub(crate) fn contains(chain: Option<&Arc<Self>>, key: &Key) -> bool {
        let mut link = chain;
        while let Some(here) = link {
            if here.key == *key {
                return true;
            }
            link = here.outer.as_ref();
        }
        false
    }

    /// Whether a transaction in this chain holds `key`.
    pub(crate) fn holds(chain: Option<&Self>, key: &Key) -> bool {
        std::iter::successors(chain, |link| link.outer.as_deref()).any(|link| link.held && link.key == *key)
    }
}

/// A job and all the node must know to run it.
pub(crate) struct Envelope {
    pub(crate) job: Box<dyn Job>,
    pub(crate) info: HandlerMeta,
    pub(crate) origin: Origin,
    pub(crate) deadline: Instant,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) call_key: Option<Box<CallKey>>,
    /// Whether it may not make its object.
    pub(crate) existing: bool,
    pub(crate) received_at: Option<Instant>,
}

/// What of a handler a turn needs to know.
#[derive(Clone)]
pub(crate) struct HandlerMeta {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) sync: bool,
    pub(crate) reentrant: bool,
    pub(crate) metrics: Option<Arc<HandlerMetrics>>,
}

impl From<&HandlerInfo> for HandlerMeta {
    fn from(info: &HandlerInfo) -> Self {
        Self {
            name: info.name,
            access: info.access,
            sync: info.sync,
            reentrant: info.reentrant,
            metrics: info.metrics.clone(),
        }
    }
}

impl Envelope {
    /// Answers without having run it. A message is then tried again, whatever is wrong with its receiver: nobody
    /// has refused it.
    pub(crate) fn turn_away(self, error: Error) {
        let error = match self.origin {
            Origin::Message(_) if error.code() == Code::Internal => Error::unavailable(error.detail().to_owned()),
            _ => error,
        };
        self.job.release(Err(error));
    }

    /// Whether the turn needs a look into the store before it runs.
    pub(crate) fn needs_lookup(&self) -> bool {
        self.call_key.is_some() || matches!(self.origin, Origin::Message(_) | Origin::Foreign(_))
    }
}
