//! The kill loop: a real process on a real store, killed without warning again and again.
//!
//! The parent starts a child process, which runs a node under load over a SQLite file, a PostgreSQL or
//! a Redis, and says on its standard output what it tries and what it is told. At a random moment the
//! parent kills it (`kill -9`), looks at the store, and starts the next one, which also retries the
//! keyed calls that were cut off. A server is hurt, too: killed and started again, or held for seconds,
//! and the child has to answer again by itself before it is killed. At the end a last child lets
//! everything come to rest.

mod child;
mod database;
mod parent;
mod protocol;
mod tally;

pub use child::{ChildOptions, run_child};
pub use database::{Hurt, KillStore};
pub use parent::{KillOptions, KillReport, Progress, Recoveries, run_rounds};
