//! The `abide` command from the outside: the real binary, against a real node in a process of its own.

#![allow(clippy::disallowed_methods, reason = "tests wait for other processes in real time")]

mod commands;
mod docs;
mod failures;
mod moving;
mod new_project;
mod node;
mod page;
mod readme;
mod rust_client;
mod security;
mod stores;
mod walk_through;
