//! The store in PostgreSQL against real servers: the contract, and what happens to servers.
#![cfg(feature = "postgres")]

mod contract;
