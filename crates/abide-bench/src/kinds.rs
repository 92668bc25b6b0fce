//! The object that is measured.

use abide::prelude::*;

/// A durable counter with the shape of the README's.
#[derive(State, Default)]
pub(crate) struct Counter {
    count: i64,
    last_incremented_at: Option<Timestamp>,
}

#[object(history = "all", hibernate_after = "never", shutdown_after = "never")]
impl Counter {
    #[handler]
    pub(crate) fn increment(&mut self, ctx: &mut Context, amount: i64) -> i64 {
        self.count += amount;
        self.last_incremented_at = Some(ctx.now());
        self.count
    }
}

/// The same in memory only.
#[derive(State, Default)]
pub(crate) struct Volatile {
    count: i64,
}

#[object(durability = "volatile", history = "none", hibernate_after = "never", shutdown_after = "never")]
impl Volatile {
    #[handler]
    pub(crate) fn increment(&mut self, amount: i64) -> i64 {
        self.count += amount;
        self.count
    }
}
