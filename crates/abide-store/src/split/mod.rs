//! A store made of several databases, each of which holds a range of shards.
//!
//! - **By shard.** What is of one object goes to the database that holds its shard, and nowhere else. What
//!   is of many is asked of all, and put together in the order that was asked for.
//! - **Said in each database.** A record in each says which range it holds, of which store. A database
//!   that is missing, strange, or in two places is refused when the store is opened.
//! - **No transaction over two.** A group whose objects are in two databases is refused before anything
//!   happens. A batch is a transaction in each database, not over all of them.
//!
//! It works over any store that keeps notes ([`abide_core::Store::note`]).

mod away;
mod export;
mod import;
mod merge;
mod open;
mod record;
mod store;

pub(crate) use record::{NOTE as PART, part_shown};
pub use store::SplitStore;
