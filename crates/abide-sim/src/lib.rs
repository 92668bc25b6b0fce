//! A deterministic world for Abide, and the checkers that hold it to its promises.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read the clock"))]

pub mod check;
mod dice;
#[cfg(feature = "cli")]
pub mod kill;
pub mod kit;
pub mod scenario;
pub mod world;

pub use dice::Dice;
