//! A store in Redis 7 or newer: one hash for each object, one script for each batch.
//!
//! What is written where is said in `docs/format/redis.md`.
//!
//! - **Durability** is the server's: what was acknowledged survives with `appendonly yes` and
//!   `appendfsync always`. A replica that was promoted may lack the last writes of the server it
//!   replaced; then acknowledged effects are lost, whatever the settings.
//! - **Atomicity**: on one server a batch is one script, and the server logs a script as one
//!   transaction. In a Redis Cluster a batch is one script for each part it touches; if some are done
//!   and another is not, the call fails with [`StoreError::Unknown`](abide_core::StoreError::Unknown),
//!   and reading back settles each object.

mod codec;
mod distobject;
mod encode;
mod fault;
mod hints;
mod indexes;
mod indexing;
mod link;
mod moving;
mod names;
mod open;
mod options;
mod read;
mod reply;
mod script;
mod state;
mod store;
mod turn;
mod value;
mod verify;
mod writer;

pub use options::{Durability, RedisOptions};
pub use store::RedisStore;
