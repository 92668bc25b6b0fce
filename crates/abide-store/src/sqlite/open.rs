use std::{
    fs::{File, TryLockError},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use abide_core::key::SHARDS_DEFAULT;
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    fault::{Fault, Result},
    migrate,
    options::SqliteOptions,
};
use crate::error::OpenError;

/// How long a statement waits for another handle's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How many bytes the header of a SQLite file has.
const HEADER_BYTES: u64 = 100;
/// The size of a page of a new file.
pub(super) const PAGE_BYTES: u32 = 4_096;

/// An open file: what the threads of the store are made of.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) shards: u32,
    pub(super) lock: Option<File>,
}

/// Opens or creates a store's file for writing, and brings its tables up to date.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Opened, OpenError> {
    look_before(path, options)?;
    let lock = options.exclusive.then(|| lock(path)).transpose()?;
    let fault = |fault: Fault| fault.opening(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writer = connect(path, flags).map_err(fault)?;
    if writer.is_readonly("main").map_err(Fault::from).map_err(fault)? {
        return Err(OpenError::NotWritable { path: path.into(), why: "the system gives read access only".into() });
    }
    // Beside a program that may be running, tables are left as they are.
    migrate::recognise(&writer, path, options)?;
    prepare_file(&writer, options).map_err(fault)?;
    migrate::migrate(&writer, path, options.shards.unwrap_or(SHARDS_DEFAULT))?;
    let shards = shards(&writer).map_err(fault)?;
    if let Some(wanted) = options.shards
        && wanted != shards
    {
        return Err(OpenError::Shards { path: path.into(), found: shards, wanted });
    }
    Ok(Opened { writer, shards, lock })
}

/// A connection that only reads.
pub(super) fn reader(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Result<Connection> {
        let conn = connect(path, flags)?;
        set_cache(&conn, options.cache_bytes / 4)?;
        Ok(conn)
    };
    open().map_err(|fault| fault.opening(path))
}

/// Finds out what is wrong with a path before SQLite or a lock file touches anything.
fn look_before(path: &Path, options: &SqliteOptions) -> Result<(), OpenError> {
    let failed = |error: std::io::Error| OpenError::Failed { path: path.into(), why: error.to_string() };
    if path.is_dir() {
        return Err(OpenError::NotAStore { path: path.into(), why: "it is a folder".into() });
    }
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEADER_BYTES).read_to_end(&mut header).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound && options.create => {
            return create_folder(path);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(OpenError::NotThere { path: path.into() }),
        Err(error) => return Err(failed(error)),
    };
    if !header.is_empty() && !header.starts_with(MAGIC) {
        return Err(OpenError::NotAStore {
            path: path.into(),
            why: "it does not begin as a SQLite database does".into(),
        });
    }
    match missing_bytes(path, &header) {
        Some(missing) => Err(OpenError::Damaged {
            path: path.into(),
            why: format!("it was cut short: {missing} bytes are missing at its end"),
        }),
        None => Ok(()),
    }
}

/// How many bytes a file lacks of what its own header promises. A file whose write-ahead log has
/// pages to come may be short.
fn missing_bytes(path: &Path, header: &[u8]) -> Option<u64> {
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    if header.is_empty() || size(&beside(path, "-wal")) > 0 {
        return None;
    }
    let page_bytes = header.get(16..18).map(|b| u64::from(b[0]) << 8 | u64::from(b[1]));
    let page_bytes = page_bytes.map(|bytes| if bytes == 1 { 65_536 } else { bytes });
    let pages = header.get(28..32).map(|b| b.iter().fold(0, |pages, byte| pages << 8 | u64::from(*byte)));
    let promised = page_bytes.zip(pages).map_or(HEADER_BYTES, |(bytes, pages)| bytes * pages);
    promised.checked_sub(size(path)).filter(|missing| *missing > 0)
}

fn create_folder(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder).map_err(|error| not_writable(path, &error))
}

fn not_writable(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::NotWritable { path: path.into(), why: error.to_string() }
}

/// Takes the lock beside the file. It is held as long as the returned file is open.
fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, ".lock");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(&lock);
    let file = file.map_err(|error| not_writable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.into(), lock }),
        Err(TryLockError::Error(error)) => Err(not_writable(path, &error)),
    }
}

/// The path with something added to its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    // A plan must not depend on the values that are bound: SQLite would then parse a cached statement
    // again each time one is.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY")?;
    Ok(conn)
}

/// What is not asked for: memory-mapped reads. A failing disk would end the process with a signal
/// where a read gives an error.
fn prepare_file(conn: &Connection, options: &SqliteOptions) -> Result<()> {
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("its folder allows no write-ahead log (SQLite uses {mode:?} instead)");
        return Err(Fault::Value(why));
    }
    set_cache(conn, options.cache_bytes)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")?;
    conn.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    if let Some(bytes) = options.bytes_max {
        let page_bytes: u64 =
            conn.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))?;
        let pages = i64::try_from(bytes / page_bytes).unwrap_or(i64::MAX);
        let sql = format!("PRAGMA max_page_count = {pages}");
        conn.query_row(&sql, [], |_| Ok(()))?;
    }
    Ok(())
}

/// SQLite takes a negative cache size as a number of KiB.
fn set_cache(conn: &Connection, bytes: u64) -> Result<()> {
    let kib = i64::try_from(bytes / 1_024).unwrap_or(i64::MAX);
    conn.pragma_update(None, "cache_size", -kib)?;
    Ok(())
}

fn shards(conn: &Connection) -> Result<u32> {
    let sql = "SELECT value FROM meta WHERE name = 'shards'";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}
