//! Ports: what Abide needs from the outside, as traits. Their adapters live on higher floors.

mod caller;
mod clock;
pub mod model;
pub mod store;

use std::{future::Future, pin::Pin};

pub use caller::{Caller, Following, Repeat, Request, Search, SearchPage, Told};
pub use clock::Clock;
pub use model::Model;
pub use store::{Store, StoreError};

/// A boxed future, as ports return them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
