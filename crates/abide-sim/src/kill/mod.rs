//! The kill loop: a real process on a real file, killed without warning again and again.
//!
//! The parent starts a child process, which runs a node over SQLite under load and says on its
//! standard output what it tries and what it is told. At a random moment the parent kills it
//! (`kill -9`), looks at the file, and starts the next one, which also retries the keyed calls that
//! were cut off. At the end a last child lets everything come to rest.

mod child;
mod parent;
mod protocol;
mod tally;

pub use child::{ChildOptions, run_child};
pub use parent::{KillOptions, KillReport, Progress, run_rounds};
