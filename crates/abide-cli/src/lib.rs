//! The `abide` command, as a library: its demo objects are examples to read and to copy from.

mod cli;
mod client;
mod commands;
mod config;
pub mod demo;
mod failure;
mod moving;
mod output;
mod session;
mod store_file;
mod store_target;
mod web;

pub use cli::run;

/// An idle object takes an eighth less memory than with the system's allocator, a decoded one half.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
