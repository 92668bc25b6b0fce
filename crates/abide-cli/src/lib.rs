//! The `abide` command, as a library: its demo objects are examples to read and to copy from.

pub mod demo;
