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

    #[handler]
    pub(crate) fn read(&self) -> i64 {
        self.count
    }
}

/// A durable counter that a bell can ring.
#[derive(State, Default)]
pub(crate) struct Sleeper {
    rung: i64,
}

#[object(history = "all", hibernate_after = "never", shutdown_after = "never")]
impl Sleeper {
    #[handler]
    pub(crate) fn sleep(&mut self, ctx: &mut Context, delay_ms: u64) {
        ctx.alarm("ring").after(std::time::Duration::from_millis(delay_ms));
    }

    #[alarm]
    pub(crate) fn ring(&mut self) {
        self.rung += 1;
        RUNG.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// How often any bell has rung in this process.
pub(crate) static RUNG: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

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
