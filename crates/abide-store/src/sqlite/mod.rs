//! The default store: one SQLite file, one writer thread, a few readers.
//!
//! - **Group commit.** `commit` puts its batch into a queue; the writer takes all that is queued,
//!   writes it in one transaction and answers each batch. The order of calls is the order of effects.
//! - **Coalescing.** However often a transaction touches an object, its row is written once.
//! - **Reads** have connections of their own and never wait for the writer.
//!
//! The file's format is described in `docs/format/sqlite.md`.

mod backup;
mod clean;
mod export;
mod fault;
mod group;
mod import;
mod index;
mod migrate;
mod model;
mod open;
mod options;
mod place;
mod read;
mod readers;
mod row;
mod statements;
mod store;
mod verify;
mod writer;

pub use model::{SqliteModel, SqliteTx};
pub use options::SqliteOptions;
pub use store::SqliteStore;

/// The library through which projections write their rows.
pub use rusqlite;
