//! One node of Abide: objects in memory, their turns, and everything that happens around them.
//!
//! The life of a call, by module: `call` → `directory` → `activation` (deliver, turn, finish) →
//! `pipeline` → the store → `activation::settle` (the output gate) → the answer, `hub`, `outbox`,
//! `scheduler`.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read the clock"))]

mod activation;
mod activity;
mod alarm;
mod answer;
mod blocking;
mod call;
mod change;
mod channel;
mod clients;
mod clock;
mod context;
mod directory;
mod effects;
mod find;
mod foreign;
mod handle;
mod hub;
mod job;
mod kind;
mod live;
mod metrics;
mod node;
mod object;
mod options;
mod outbox;
mod page;
mod pipeline;
mod principal;
mod projection;
mod rejection;
mod scheduler;
mod session;
mod sweep;
mod timer;
mod timing;
mod traffic;
mod transaction;
mod watch;

pub use abide_core::frame::BROADCAST_BYTES_MAX;
pub use activity::Activity;
pub use alarm::{AlarmBuilder, Delay};
pub use answer::Answer;
pub use call::{CALL_KEY_BYTES_MAX, Call, CallOptions, Delivery, DynamicCall};
pub use clients::{Client, Pushed, Pushes, Recipients};
pub use clock::SystemClock;
pub use context::Context;
pub use find::{Find, FindCursor, Found, FoundPage};
pub use handle::{Handle, Snapshot};
pub use hub::{Everything, Heard, Shower};
pub use job::Reply;
pub use kind::{HandlerDescription, KindDescription, lead_references};
pub use live::Live;
pub use node::{Node, NodeBuilder};
pub use object::{
    Access, Borrowed, Definition, Durability, Handler, History, Hook, Layout, Migrate, Object, Options, Parameter,
    Running,
};
#[doc(hidden)]
pub use options::Mutant;
pub use options::NodeOptions;
pub use principal::Principal;
pub use projection::{
    Batch, Fact, Follow, Item, OnGap, Project, ProjectResult, ProjectionOptions, ProjectionState, ProjectionStatus,
    Projections, TypedFact, TypedItem,
};
pub use traffic::{Edge, Traffic, Way};
pub use transaction::{HasKey, TRANSACTION_OBJECTS_MAX, Transaction, TransactionCall};
pub use watch::{After, Beginning, Broadcast, Changes, News, ResetReason, Step, Update};

#[doc(hidden)]
pub mod __private;
