/// Why a backup cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The file is something else.
    #[error("it is not a backup: {why}")]
    NotABackup {
        /// What it looks like.
        why: String,
    },
    /// A newer version wrote it.
    #[error("it has format version {found}, this program reads versions up to {known}: use a newer version of it")]
    NewerVersion {
        /// The version in the file.
        found: u16,
        /// The newest version this program reads.
        known: u16,
    },
    /// Not all of it is as it was written.
    #[error("it is damaged, or not whole, after its first {at} bytes: {why}; take another backup")]
    Damaged {
        /// Where: all bytes before are sound.
        at: u64,
        /// What was found.
        why: String,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Failed(String),
}
