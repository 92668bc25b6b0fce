//! The HTTP surface from the outside: a real node, a real server, a real client.

#![allow(clippy::disallowed_methods, reason = "tests are the shell: they spawn tasks and read the clock")]
#![allow(missing_docs, reason = "the kinds of the tests are for the tests")]
#![allow(clippy::needless_pass_by_value, reason = "a handler owns its arguments")]

mod audit;
mod bad_input;
mod calls;
mod documents;
mod events;
mod grpc;
mod identity;
mod inspect;
mod kinds;
mod limits;
mod objects;
mod pages;
mod rights;
mod shares;
mod standing;
mod stopping;
mod tls;
mod tokens;
mod turns;
mod world;
