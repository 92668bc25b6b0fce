use std::path::PathBuf;

/// The file in which acts of administration are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// The file. Lines are appended to it.
    pub file: PathBuf,
    /// How large it may grow, in bytes; then it becomes `FILE.1`, and a new one begins.
    pub bytes_max: u64,
    /// How many such older files are kept. 0: none, what was written is gone then.
    pub kept: u32,
}

impl AuditOptions {
    /// This file, of 64 MiB, and eight older ones.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), bytes_max: 64 << 20, kept: 8 }
    }
}
