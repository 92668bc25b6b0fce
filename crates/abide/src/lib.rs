//! State a Rust program can call by name.
//!
//! An object is a plain struct with handlers. It lives in exactly one place, is durable before it
//! answers, can be watched field by field, and wakes up by its own alarms.
//!
//! ```
//! use abide::prelude::*;
//!
//! #[derive(State, Default)]
//! struct Counter {
//!     count: i64,
//! }
//!
//! #[object]
//! impl Counter {
//!     #[handler]
//!     fn increment(&mut self, amount: i64) -> i64 {
//!         self.count += amount;
//!         self.count
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> abide::Result<()> {
//! let abide = Abide::open("memory:").register::<Counter>().start().await?;
//! let counter = abide.object::<Counter>("user-123");
//! assert_eq!(counter.increment(5).await?, 5);
//! # Ok(())
//! # }
//! ```

mod builder;
#[cfg(doctest)]
mod guide;
#[cfg(feature = "client")]
mod objects;
mod running;
#[cfg(feature = "testing")]
pub mod testing;

/// What store adapters and tools need of the port.
pub use abide_core::port;
pub use abide_core::seq::{Epoch, FeedPosition, Incarnation};
pub use abide_core::{
    Backoff, Cause, Change, ChangeRecord, Clock, Code, Encoder, Error, Event, Filter, FilterError, Json, Key, Kind,
    Namespace, Operations, Result, Seq, Shard, State, Store, StoreError, Timestamp, collection, duration, operation,
};
pub use abide_macros::{State, alarm, handler, hook, object};
pub use abide_node::{
    After, AlarmBuilder, Call, CallOptions, Changes, Context, Delay, Delivery, Durability, DynamicCall, Find,
    FindCursor, Found, FoundPage, Handle, HandlerDescription, HasKey, History, KindDescription, Layout, Live, Node,
    NodeBuilder, NodeOptions, Object, Options, Principal, Recipients, Reply, ResetReason, Snapshot, SystemClock,
    TRANSACTION_OBJECTS_MAX, Transaction, TransactionCall, Update,
};
/// Read models that follow the changes of objects, each change once.
pub mod projection {
    pub use abide_core::port::model::{Model, ModelError, NoteSwap};
    pub use abide_node::{
        Batch, Fact, Follow, Item, OnGap, Project, ProjectResult, ProjectionOptions, ProjectionState, ProjectionStatus,
        Projections, TypedFact, TypedItem,
    };
    pub use abide_store::memory::{MemoryModel, MemoryTx};
    #[cfg(feature = "postgres")]
    pub use abide_store::postgres::{PostgresModel, PostgresTx, tokio_postgres};
    #[cfg(feature = "sqlite")]
    pub use abide_store::sqlite::{SqliteModel, SqliteTx, rusqlite};
}
#[cfg(feature = "client")]
pub use abide_client::Client;
pub use builder::{Abide, Builder};
#[cfg(feature = "client")]
pub use objects::Objects;
/// What a client of a server has.
#[cfg(feature = "client")]
pub mod client {
    pub use abide_client::*;
}
pub use running::Running;
/// The typed handle of an object of type `T`.
pub type Ref<T> = <T as Object>::Ref;
/// The stores.
pub mod store {
    pub use abide_store::*;
}
/// The front door.
#[cfg(feature = "server")]
pub mod server {
    pub use abide_server::*;
}
pub use serde_json::json;

/// What a program that defines objects wants in scope.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        Abide, After, Context, Error, Recipients, Ref, Result, State, Timestamp, Update, alarm, handler, hook, json,
        object,
    };
    #[cfg(feature = "client")]
    pub use crate::{Client, Objects};
}

#[doc(hidden)]
pub mod __private {
    pub use abide_node::__private::*;
}
