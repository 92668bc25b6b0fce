//! abide-sim
//!
//! A deterministic world for Abide, and the checkers that hold it to its promises.

pub mod check;
