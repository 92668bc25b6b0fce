//! gRPC from the outside, and the code that was generated for it.

#![allow(clippy::disallowed_methods, reason = "tests are the shell: they spawn tasks and read the clock")]
#![allow(missing_docs, reason = "the kinds of the tests are for the tests")]
#![allow(clippy::needless_pass_by_value, reason = "a handler owns its arguments")]

mod callers;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic, reason = "it is generated")]
mod client;
mod generated;
#[path = "../frames/kinds.rs"]
#[allow(dead_code, reason = "not all of them are called here")]
mod kinds;
mod services;
