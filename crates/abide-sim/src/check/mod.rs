//! Pure checkers of the promises, over recorded histories.
//!
//! They know nothing of nodes, stores or networks: whoever runs a world (simulated or real)
//! records what clients called and were told, and what the objects held at the end, and asks here
//! whether that could have happened in a system that keeps its word.
//!
//! | checker | finds |
//! |---|---|
//! | [`linearizability`] | answers that no single order of an object's calls explains |
//! | [`effects`] | acknowledged effects that are lost, doubled or invented; keyed calls that ran twice |
//! | [`outbox`] | durable messages lost, doubled, reordered, or sent by turns that never were |
//! | [`alarms`] | alarms lost, doubled, early, late, or fired after they were cancelled |
//! | [`transfers`] | transactions done in part, or in orders that contradict each other |
//! | [`behalf`] | alarms, timers and messages that ran on behalf of somebody else than who asked for them |
//! | [`streams`] | change streams with gaps or repeats, and views that drift from the object |
//!
//! Each answers `Result<(), Violation>`; a [`Violation`] prints the promise, the object and the
//! evidence.
//!
//! ```
//! use abide_sim::check::Outcome;
//! use abide_sim::check::linearizability::{self, Counter, CounterOp, History};
//!
//! let mut history = History::new();
//! let add = history.called(1, CounterOp::Add(5), 10);
//! let get = history.called(2, CounterOp::Get, 20);
//! history.returned(add, Outcome::Ok(5), 30);
//! history.returned(get, Outcome::Ok(0), 40); // concurrent with the add, so 0 is a fair answer
//! linearizability::check("Counter/a", &Counter, &history, linearizability::STEPS_MAX)?;
//! # Ok::<(), abide_sim::check::Violation>(())
//! ```

pub mod alarms;
pub mod behalf;
pub mod effects;
pub mod linearizability;
pub mod outbox;
pub mod streams;
pub mod transfers;

mod outcome;
mod violation;

pub use outcome::Outcome;
pub use violation::{Fault, Finding, Promise, Violation};

#[cfg(test)]
mod testing;
