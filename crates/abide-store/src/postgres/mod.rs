//! A store in PostgreSQL, or a database that speaks its language.
//!
//! - **Group commit.** `commit` puts its batch into a queue; one task takes all that is queued and writes
//!   it in one transaction with a few statements over arrays. The order of calls is the order of effects.
//! - **Two ways to the server and back** for each transaction: the fence, with the heads of objects that are
//!   not remembered; then all writes with the COMMIT.
//! - **Fencing.** The rows of the shards are read `FOR SHARE`, so that no claim comes in between.
//! - **Hints** go from process to process by NOTIFY, apart from the commits themselves.
//! - **Reads** have connections of their own, and never go to a server that only reads.
//!
//! The tables are described in `docs/format/postgres.md`.

mod batch;
mod clean;
mod columns;
mod connect;
mod export;
mod fault;
mod field;
mod form;
mod hints;
mod import;
mod index;
mod migrate;
mod model;
mod options;
mod read;
mod readers;
mod remembered;
mod row;
mod store;
mod text;
mod tls;
mod transaction;
mod turns;
mod verify;
mod write;
mod writer;

pub use model::{PostgresModel, PostgresTx};
pub use options::PostgresOptions;
pub use store::PostgresStore;

/// The library through which projections write their rows.
pub use tokio_postgres;
