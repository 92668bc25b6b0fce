//! Projections: read models that follow the store's feed, each change once.
//!
//! The life of a batch: `gather` reads entries of the feed from where the model is, `resolve` makes news
//! of them, `turn` writes news and place in one transaction of the model, `follow` does it again and again,
//! `list` fills a model from the objects themselves, `runner` decides which of the two it is.

mod batch;
mod follow;
mod gather;
mod list;
mod note;
mod options;
mod project;
mod registry;
mod resolve;
mod runner;
mod shared;
mod start;
mod turn;

pub use batch::{Batch, Fact, Item, TypedFact, TypedItem};
pub use options::{Follow, OnGap, ProjectionOptions};
pub use project::{Project, ProjectResult};
pub use registry::Projections;
pub use shared::{ProjectionState, ProjectionStatus};

pub(crate) use registry::Registered;
pub(crate) use runner::{Runner, check};
