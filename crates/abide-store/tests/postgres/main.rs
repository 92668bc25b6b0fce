//! The store in PostgreSQL against real servers: the contract, and what happens to servers.
#![cfg(feature = "postgres")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "real servers take real time; a test that cannot run says why"
)]

mod contract;
mod faults;
mod full;
mod hints;
mod opening;
mod queries;
mod remembering;
mod split;
mod tls;
mod verify;
mod world;
