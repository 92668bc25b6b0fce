use std::path::PathBuf;

use abide_core::StoreError;

#[cfg(feature = "archive")]
use crate::archive::ArchiveError;

/// Why a transfer ended early.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TransferError {
    /// The rows could not be read.
    #[error("the store cannot be read: {0}")]
    Source(StoreError),
    /// The rows could not be written. What is in stays in; repeated, a restore goes on there.
    #[error("the store takes no more: {0}")]
    Target(StoreError),
    /// Both are the same store.
    #[error("both are the store {id}; nothing was changed")]
    Same {
        /// Its id.
        id: String,
    },
    /// There is something at the path already.
    #[error("{} is there already and is not overwritten: give another path", path.display())]
    Exists {
        /// Where the backup was to go.
        path: PathBuf,
    },
    /// Another process, or another task of this one, is writing a backup to the same path.
    #[cfg(feature = "archive")]
    #[error("another backup to {} is being written: wait until it has ended, or give another path", path.display())]
    Busy {
        /// Where both were to go.
        path: PathBuf,
    },
    /// The backup cannot be read or written. No store was changed by what was found.
    #[cfg(feature = "archive")]
    #[error("the backup {}: {error}", path.display())]
    Backup {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        error: ArchiveError,
    },
}
