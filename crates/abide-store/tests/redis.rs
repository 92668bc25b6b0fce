//! The store in Redis, on real servers.

#![cfg(feature = "redis")]

#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/contract.rs"]
mod contract;
#[path = "redis/hints.rs"]
mod hints;
#[path = "redis/hurt.rs"]
mod hurt;
#[path = "redis/moving.rs"]
mod moving;
#[path = "redis/open.rs"]
mod open;
#[path = "redis/rounds.rs"]
mod rounds;
#[path = "redis/verify.rs"]
mod verify;
