//! Read models that follow objects, on real databases.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods, reason = "tests")]

mod building;
mod failing;
mod following;
mod models;
mod totals;
