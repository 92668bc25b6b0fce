//! Everything a store holds, on its way: into a file, out of one, or into another store.

#[cfg(feature = "archive")]
mod back_up;
mod copy;
mod error;
#[cfg(feature = "archive")]
mod partial;
#[cfg(feature = "archive")]
mod restore;
mod tally;

#[cfg(feature = "archive")]
pub use back_up::{BackedUp, back_up};
pub use copy::{Copied, copy};
pub use error::TransferError;
#[cfg(feature = "archive")]
pub use restore::{Restored, check, restore};
pub use tally::tally;

/// How many rows are asked of a store at once.
const ROWS: usize = 8_192;
/// How many pages wait between the store and the file.
#[cfg(feature = "archive")]
const AHEAD_PAGES: usize = 2;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes of a backup, of so many, were found to be sound.
    Checked {
        /// Bytes.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// So many rows, of about so many, are through.
    Moved {
        /// Rows.
        done: u64,
        /// Of about so many.
        total: u64,
    },
}
