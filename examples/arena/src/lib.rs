//! An arena: players chase sparks, 20 ticks a second, and nothing of it is stored.
//!
//! Who plays and how often they scored is the object's state, which watchers get as it changes. Where
//! everybody is, is broadcast at each tick.

mod arena;
mod page;
mod physics;

pub use arena::{Arena, ArenaRef, Joined, Player, Refusal, TICK};
pub use page::{File, PAGE};
pub use physics::{HEIGHT, WIDTH};

/// Registers the kind.
pub fn register(builder: abide::Builder) -> abide::Builder {
    builder.register::<Arena>()
}
