use crate::memory::FEED_KEEP_DEFAULT;

/// How a [`SqliteStore`](super::SqliteStore) is opened. The defaults suit a server with a disk of its own.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// How many shards a new store gets; an existing one must have as many. `None`: 4096 for a new
    /// one, whatever it has for an existing one.
    pub shards: Option<u32>,
    /// Whether a file that is not there is created.
    pub create: bool,
    /// Whether to hold the lock that keeps a second process (or a second handle) out. Without it,
    /// several handles work on one file and the epochs alone decide who may commit.
    pub exclusive: bool,
    /// Threads that answer reads of one object. One more answers everything that scans.
    pub readers: usize,
    /// How many entries of the feed `clean` leaves, at least one.
    pub feed_keep: u64,
    /// How many objects' places in the file the writer remembers.
    pub cached_objects: usize,
    /// The writer's page cache in bytes; each reader has a quarter of it.
    pub cache_bytes: u64,
    /// The write-ahead log is copied into the file whenever it has grown to so many pages of 4 KiB.
    pub checkpoint_pages: u32,
    /// The file's largest size in bytes; a commit that needs more fails with `Full`.
    pub bytes_max: Option<u64>,
    /// How many batches may wait for the writer, and how many reads for each kind of reader; more are
    /// refused with `Unavailable`.
    pub waiting_max: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            shards: None,
            create: true,
            exclusive: true,
            readers: 2,
            feed_keep: FEED_KEEP_DEFAULT,
            cached_objects: 131_072,
            cache_bytes: 64 << 20,
            checkpoint_pages: 4_000,
            bytes_max: None,
            waiting_max: 16_384,
        }
    }
}
