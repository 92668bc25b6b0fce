//! Where Abide's objects are durable: the adapters of [`abide_core::Store`], and the contract they keep.
//!
//! - [`MemoryStore`]: the reference. It answers at once and forgets everything with its last handle.
//! - [`SqliteStore`]: the default. One file, one process, nothing to set up.
//! - [`open`] takes any of them by URL.

#[cfg(feature = "archive")]
pub mod archive;
pub mod contract;
#[cfg(feature = "postgres")]
mod doubt;
mod error;
#[cfg(feature = "sqlite")]
mod filter;
mod import;
#[cfg(feature = "postgres")]
mod known;
pub mod memory;
mod moments;
mod news;
mod page;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod recent;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod requests;
mod split;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod texts;
pub mod transfer;
mod url;

#[cfg(feature = "redis")]
pub use self::redis::{RedisOptions, RedisStore};
pub use error::{BackupError, OpenError};
pub use memory::{MemoryModel, MemoryStore};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresModel, PostgresOptions, PostgresStore};
pub use split::SplitStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteModel, SqliteOptions, SqliteStore};
pub use url::{join, open, open_existing, shown};
