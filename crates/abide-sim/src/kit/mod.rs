//! The test kit: the real node under a virtual clock, over a store that fails when it is told to.
//!
//! Programs use it as `abide::testing`, whose documentation has examples.

mod builder;
mod passing;
mod world;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

pub use builder::WorldBuilder;
pub use world::TestWorld;

pub use crate::{
    dice::Dice,
    world::{Fate, Faults, InFlight},
};

/// Runs a test in a world of its own: one thread, a virtual clock, nothing real but the code under test.
///
/// The closure gets a [`WorldBuilder`]: register kinds, start, and go on. What it returns, `run` returns.
///
/// # Panics
/// If the operating system gives no runtime, or the test panics.
pub fn run<F, T>(test: impl FnOnce(WorldBuilder) -> F) -> T
where
    F: Future<Output = T>,
{
    run_seed(0, test)
}

/// As [`run`], with randomness from this seed.
///
/// # Panics
/// As [`run`].
pub fn run_seed<F, T>(seed: u64, test: impl FnOnce(WorldBuilder) -> F) -> T
where
    F: Future<Output = T>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| panic!("no runtime for a test world: {error}"));
    runtime.block_on(async { test(WorldBuilder::new(seed)).await })
}

/// Runs a test once for each seed, each time in a fresh world; [`TestWorld::dice`] gives different
/// numbers in each. The first failure names its seed, which [`run_seed`] replays.
///
/// # Panics
/// If the test does.
#[expect(clippy::print_stderr, reason = "tests speak to the console")]
pub fn seeds<F>(seeds: Range<u64>, mut test: impl FnMut(WorldBuilder) -> F)
where
    F: Future<Output = ()>,
{
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run_seed(seed, &mut test))) {
            eprintln!("seed {seed} failed; replay it with `testing::run_seed({seed}, …)`");
            resume_unwind(panic);
        }
    }
}
