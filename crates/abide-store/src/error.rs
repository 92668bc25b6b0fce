use std::path::PathBuf;

/// Why a store could not be opened. Nothing in it was changed, unless the sentence says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL names no kind of store.
    #[error(
        "{url:?} names no store this version knows: write `sqlite:PATH` (for example `sqlite:data/abide.db`), \
         `postgres://USER:PASSWORD@HOST/DATABASE`, `redis://HOST:PORT`, `memory:`, or several databases as \
         `shards:URL|URL`"
    )]
    UnknownScheme {
        /// What was given, without a password.
        url: String,
    },
    /// The URL names a kind of store that this program was built without.
    #[error(
        "{scheme} stores are not in this program: build it with the feature of that store (`sqlite`, `postgres` or \
         `redis`), or use a store that it was built with; `memory:` always is"
    )]
    NotInThisVersion {
        /// The kind of store.
        scheme: String,
    },
    /// The URL's part after the scheme is wrong.
    #[error("{url:?} cannot be opened: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it and what to write instead.
        why: String,
    },
    /// Another process has the store open.
    #[error(
        "{} is open in another process (it holds {}): stop that process, or give this one a file of its own",
        path.display(),
        lock.display()
    )]
    Locked {
        /// The store's file.
        path: PathBuf,
        /// The file whose lock the other process holds.
        lock: PathBuf,
    },
    /// A newer version wrote the store.
    #[error(
        "{} has schema version {found}, this program knows versions up to {known}: run a newer version of it, or restore a backup made by this one",
        path.display()
    )]
    NewerSchema {
        /// The store's file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version this program can read.
        known: u32,
    },
    /// An older version wrote the store, and it was to be looked at only.
    #[error(
        "{} has schema version {found}, this program reads version {known}: nothing was changed; once no older program runs on it, `abide store migrate` brings it up to date, and so does `abide serve`",
        path.display()
    )]
    OlderSchema {
        /// The store's file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version this program reads and writes.
        known: u32,
    },
    /// The file is something else.
    #[error("{} is not an Abide store: {why}; give another path", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        why: String,
    },
    /// There is no store, and none was to be made.
    #[error("there is no store in {}: `abide store init` creates one, and so does `abide serve`", path.display())]
    NotThere {
        /// Where it should be.
        path: PathBuf,
    },
    /// The number of shards is fixed when a store is created.
    #[error(
        "{} was created with {found} shards and cannot be opened with {wanted}: leave the number out, or write {found}",
        path.display()
    )]
    Shards {
        /// The store's file.
        path: PathBuf,
        /// The number it was created with.
        found: u32,
        /// The number asked for.
        wanted: u32,
    },
    /// The file or its folder cannot be written.
    #[error(
        "{} cannot be written: {why}; a store writes to its file and keeps `-wal`, `-shm` and `.lock` files beside it, so both the file and its folder must be writable",
        path.display()
    )]
    NotWritable {
        /// The store's file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file is damaged.
    #[error("{} is damaged: {why}; restore a backup", path.display())]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Several databases are not the parts of one store.
    #[error("the databases do not make one store: {why}; name all databases of the store, and no other")]
    Parts {
        /// What does not fit.
        why: String,
    },
    /// A database that is a part of a store was to be opened as a store by itself.
    #[error(
        "{} holds a part of a store only ({part}): open all of its databases together, as `shards:URL|URL`",
        path.display()
    )]
    PartOnly {
        /// The database.
        path: PathBuf,
        /// What it says of itself.
        part: String,
    },
    /// Anything else.
    #[error("{} cannot be opened: {why}", path.display())]
    Failed {
        /// The store's file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// Why a backup was not made. The store itself is as it was, and nothing is left at the backup's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// There is something at the path already.
    #[error("{} is there already and is not overwritten: give another path", path.display())]
    Exists {
        /// Where the backup was to go.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("the backup to {} failed: {why}; the store was not changed, the backup may be tried again", path.display())]
    Failed {
        /// Where the backup was to go.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}
