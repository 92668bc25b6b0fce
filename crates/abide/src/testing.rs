//! Tests of your objects: the real node under a virtual clock, over a store that fails when it is told to.
//!
//! A test runs in a world of its own, on one thread, and takes no real time: an hour passes in
//! milliseconds, and alarms fire on the way.
//!
//! ```
//! use abide::{prelude::*, testing};
//!
//! #[derive(State, Default)]
//! struct Egg {
//!     done: bool,
//! }
//!
//! #[object]
//! impl Egg {
//!     #[handler]
//!     fn boil(&mut self, ctx: &mut Context, minutes: u32) {
//!         ctx.alarm("ring").after(std::time::Duration::from_secs(60) * minutes);
//!     }
//!
//!     #[handler]
//!     fn is_done(&self) -> bool {
//!         self.done
//!     }
//!
//!     #[alarm]
//!     fn ring(&mut self) {
//!         self.done = true;
//!     }
//! }
//!
//! # fn main() -> abide::Result<()> {
//! testing::run(|world| async move {
//!     let world = world.register::<Egg>().start().await;
//!     let egg = world.object::<Egg>("breakfast");
//!
//!     egg.boil(5).await?;
//!     world.advance("4m59s").await;
//!     assert!(!egg.is_done().await?);
//!     world.advance("1s").await;
//!     assert!(egg.is_done().await?);
//!     Ok(())
//! })
//! # }
//! ```
//!
//! It is a feature that programs do not need, only their tests:
//!
//! ```toml
//! [dev-dependencies]
//! abide = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # Crashes
//! What was acknowledged survives; ask for the handle again, for the old one belongs to the old node.
//!
//! ```
//! # use abide::{prelude::*, testing};
//! # #[derive(State, Default)]
//! # struct Counter { count: i64 }
//! # #[object]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self, amount: i64) -> i64 { self.count += amount; self.count }
//! # }
//! # testing::run(|world| async move {
//! let world = world.register::<Counter>().start().await;
//! world.object::<Counter>("a").increment(5).await?;
//! world.crash_and_restart().await;
//! assert_eq!(world.object::<Counter>("a").increment(1).await?, 6);
//! # Ok::<(), abide::Error>(())
//! # })?;
//! # Ok::<(), abide::Error>(())
//! ```
//!
//! # Faults
//! A commit can be refused, or (the case that programs forget) be applied while its answer is lost.
//! A key makes the retry harmless.
//!
//! ```
//! # use abide::{prelude::*, testing};
//! # #[derive(State, Default)]
//! # struct Counter { count: i64 }
//! # #[object]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self, amount: i64) -> i64 { self.count += amount; self.count }
//! # }
//! use abide::testing::Fate;
//!
//! # testing::run(|world| async move {
//! let world = world.register::<Counter>().start().await;
//! let counter = world.object::<Counter>("a");
//!
//! world.next_commits([Fate::Refused]);
//! let error = counter.increment(1).await.unwrap_err();
//! assert!(!error.is_maybe_applied());
//!
//! world.next_commits([Fate::UnknownLost]);
//! counter.increment(1).key("order-77").await?; // the first try is lost, the second arrives
//! assert_eq!(world.state::<Counter>("a").map(|state| state.count), Some(1));
//! # Ok::<(), abide::Error>(())
//! # })?;
//! # Ok::<(), abide::Error>(())
//! ```
//!
//! # Many seeds
//! [`seeds`] runs a test in many worlds; [`TestWorld::dice`] draws from the world's randomness, and a
//! failing seed prints how to replay it.
//!
//! ```
//! # use abide::{prelude::*, testing};
//! # #[derive(State, Default)]
//! # struct Counter { count: i64 }
//! # #[object]
//! # impl Counter {
//! #     #[handler]
//! #     fn increment(&mut self, amount: i64) -> i64 { self.count += amount; self.count }
//! # }
//! testing::seeds(0..20, |world| async move {
//!     let world = world.register::<Counter>().start().await;
//!     world.set_faults(world.dice(|dice| testing::Faults::random(dice)));
//!     let mut acknowledged = 0;
//!     for call in 0..10 {
//!         let done = world.object::<Counter>("a").increment(1).key(format!("call {call}")).await;
//!         acknowledged += i64::from(done.is_ok());
//!         if world.dice(|dice| dice.chance(0.2)) {
//!             world.store_back();
//!             world.crash_and_restart().await;
//!         }
//!     }
//!     let count = world.state::<Counter>("a").map_or(0, |state| state.count);
//!     assert!((acknowledged..=10).contains(&count));
//! });
//! ```
//!
//! `docs/guide/testing-your-objects.md` has more.

pub use abide_sim::kit::{Dice, Fate, Faults, InFlight, TestWorld, WorldBuilder, run, run_seed, seeds};
