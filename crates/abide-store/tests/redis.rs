//! The store in Redis, on real servers.

#![cfg(feature = "redis")]

#[path = "redis/contract.rs"]
mod contract;
