//! What an object is to the node: its state, its handlers and its options.
//!
//! `#[object]` implements these traits; nobody has to write them by hand, but everybody may.

use std::time::Duration;

use abide_core::{Error, State, port::BoxFuture, schema::schema_of};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{context::Context, handle::Handle, job::HandlerInfo};

/// A type whose values live on a node: state with handlers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an object",
    note = "write `#[object]` on an `impl {Self} {{ … }}` block with `#[handler]` methods"
)]
pub trait Object: State {
    /// The name of its kind.
    const KIND: &'static str;

    /// The typed handle, with a method for each handler.
    type Ref: From<Handle<Self>> + Clone + Send + Sync + 'static;

    /// Its handlers, alarms, hooks and options.
    fn definition() -> Definition<Self>;
}

/// One handler of `O`: the type is its arguments.
pub trait Handler<O: Object>: Serialize + DeserializeOwned + Send + 'static {
    /// The handler's name.
    const NAME: &'static str;
    /// Whether it changes the object or only reads it.
    const ACCESS: Access;
    /// Whether it never waits: the caller's own task may run it.
    const SYNC: bool;
    /// Whether it may run while the object waits for a call that led here.
    const REENTRANT: bool = false;
    /// What it returns when it succeeds.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Runs it on the object.
    fn run<'a>(self, object: Borrowed<'a, O>, ctx: &'a mut Context) -> Running<'a, Self::Output>;

    /// Its parameters, in order.
    fn parameters() -> Vec<Parameter> {
        Vec::new()
    }

    /// The first paragraph of its doc comment.
    fn description() -> &'static str {
        ""
    }
}

/// Whether a handler changes its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `&mut self`: runs alone.
    Exclusive,
    /// `&self`: runs beside other readers, on the state as it stood when it began.
    Shared,
}

/// The object, as a handler gets it.
pub enum Borrowed<'a, O> {
    /// To change.
    Exclusive(&'a mut O),
    /// To read.
    Shared(&'a O),
}

impl<'a, O> Borrowed<'a, O> {
    /// The object to change. Panics if it was lent to be read: the node never does that.
    pub fn exclusive(self) -> &'a mut O {
        match self {
            Self::Exclusive(object) => object,
            Self::Shared(_) => panic!("BUG: an exclusive handler was given a shared object"),
        }
    }

    /// The object to read.
    pub fn shared(self) -> &'a O {
        match self {
            Self::Exclusive(object) => object,
            Self::Shared(object) => object,
        }
    }
}

/// A handler at work.
pub enum Running<'a, T> {
    /// It has finished.
    Done(Result<T, Error>),
    /// It waits for something.
    Waiting(BoxFuture<'a, Result<T, Error>>),
}

/// A parameter of a handler.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The JSON Schema of its values.
    pub schema: Value,
    /// Whether it may be left out.
    pub optional: bool,
}

impl Parameter {
    /// A parameter whose values have type `T`.
    pub fn of<T: DeserializeOwned>(name: &'static str, optional: bool) -> Self {
        Self { name, schema: schema_of::<T>(), optional }
    }
}

/// How long changes stay readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// None is kept: a watcher that falls behind is reset.
    None,
    /// At least the last so many.
    Changes(u64),
    /// At least those younger than this.
    For(Duration),
    /// All of them.
    All,
}

/// When an answer leaves: before or after its turn is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After. The default.
    Commit,
    /// Before: changes are written at this interval, and a crash loses what was not yet written.
    Behind(Duration),
    /// Nothing is ever written: the state lives as long as the activation.
    Volatile,
}

/// How objects are stored besides what every store does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// In no other way.
    #[default]
    Plain,
    /// Also as programs written with distobject keep theirs, so that they read, write and listen beside
    /// Abide. In Redis only; a node over another store does not start.
    Distobject {
        /// An object is at `<prefix>:<id>`.
        prefix: &'static str,
        /// The channel of messages.
        channel: &'static str,
    },
}

/// The options of a kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Idle for so long, the decoded state is dropped. `None`: never.
    pub hibernate_after: Option<Duration>,
    /// Idle for so long, the object leaves memory after `on_deactivate`. `None`: never.
    pub shutdown_after: Option<Duration>,
    /// How long changes stay readable.
    pub history: History,
    /// When an answer leaves.
    pub durability: Durability,
    /// The schema version of the state.
    pub version: u32,
    /// No identity and no state: every call gets a fresh value, many at a time.
    pub stateless: bool,
    /// Ids that are activated when the node starts.
    pub autoload: &'static [&'static str],
    /// How many calls may wait for one object. `None`: the node's limit.
    pub mailbox: Option<usize>,
    /// Its objects belong to connected clients: created when one connects, destroyed when it has left.
    pub session: bool,
    /// How its objects are stored.
    pub layout: Layout,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hibernate_after: Some(Duration::from_secs(5 * 60)),
            shutdown_after: Some(Duration::from_secs(60 * 60)),
            history: History::Changes(1000),
            durability: Durability::Commit,
            version: 1,
            stateless: false,
            autoload: &[],
            mailbox: None,
            session: false,
            layout: Layout::Plain,
        }
    }
}

/// The hooks an object can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Runs in the first turn of a new object, before its handler and in the same commit.
    Create,
    /// Runs when the object comes into memory, before the first turn. Its changes are part of that turn.
    Activate,
    /// Runs when the object leaves memory. What it changes is committed.
    Deactivate,
    /// Runs in the turn that deletes the object, before its state is gone.
    Delete,
    /// Runs in the first turn of a session object: its client has connected.
    Connect,
    /// Runs in the last turn of a session object, before it is deleted: its client has left.
    Disconnect,
}

/// Changes a stored state of an older version, field by field, before it is decoded.
pub type Migrate = fn(from: u32, state: &mut Map<String, Value>) -> Result<(), Error>;

/// All there is to say of a kind.
pub struct Definition<O: Object> {
    pub(crate) options: Options,
    pub(crate) handlers: Vec<HandlerInfo>,
    pub(crate) alarms: Vec<HandlerInfo>,
    pub(crate) hooks: Vec<(Hook, HandlerInfo)>,
    pub(crate) migrate: Option<Migrate>,
    pub(crate) description: &'static str,
    object: std::marker::PhantomData<fn() -> O>,
}

impl<O: Object> Definition<O> {
    /// A kind without handlers.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            handlers: Vec::new(),
            alarms: Vec::new(),
            hooks: Vec::new(),
            migrate: None,
            description: "",
            object: std::marker::PhantomData,
        }
    }

    /// Adds a handler that callers can call.
    #[must_use]
    pub fn handler<H: Handler<O>>(mut self) -> Self {
        self.handlers.push(HandlerInfo::of::<O, H>());
        self
    }

    /// Adds a handler for the alarms of its name. Its arguments are the alarm's payload.
    #[must_use]
    pub fn alarm<H: Handler<O>>(mut self) -> Self {
        self.alarms.push(HandlerInfo::of::<O, H>());
        self
    }

    /// Adds a hook. It is called without arguments (`null`).
    #[must_use]
    pub fn hook<H: Handler<O>>(mut self, hook: Hook) -> Self {
        self.hooks.push((hook, HandlerInfo::of::<O, H>()));
        self
    }

    /// Sets the function that migrates states of older versions.
    #[must_use]
    pub fn migrate(mut self, migrate: Migrate) -> Self {
        self.migrate = Some(migrate);
        self
    }

    /// Sets the kind's description, shown by `abide kinds`.
    #[must_use]
    pub fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }
}
