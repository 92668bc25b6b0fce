//! Backups as files: what a store holds, compressed, with checksums over all of it.
//!
//! [`Writer`] and [`Reader`] know bytes and nothing of stores; [`crate::transfer`] puts the two together.
//! The format is described in `docs/format/backup.md`.

mod about;
mod error;
mod frame;
mod read;
mod write;

pub use about::About;
pub use error::ArchiveError;
pub use read::{Block, Reader, check};
pub use write::Writer;
