//! Frames over real connections to a real server.

#![allow(clippy::disallowed_methods, reason = "tests are the shell: they spawn tasks and read the clock")]
#![allow(missing_docs, reason = "the kinds of the tests are for the tests")]
#![allow(clippy::needless_pass_by_value, reason = "a handler owns its arguments")]

mod attackers;
mod calls;
mod docs;
mod kinds;
mod robustness;
mod sessions;
mod world;
