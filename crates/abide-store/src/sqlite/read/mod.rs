//! What the readers answer. Each function runs in one read transaction.

pub(super) mod alarms;
pub(super) mod feed;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod objects;
pub(super) mod status;

use abide_core::Key;
use rusqlite::{Connection, OptionalExtension};

use super::fault::Result;

/// The row of an object, if it ever was.
fn oid(conn: &Connection, key: &Key) -> Result<Option<i64>> {
    let sql = "SELECT oid FROM objects WHERE namespace = ? AND kind = ? AND id = ?";
    let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row(name, |row| row.get(0)).optional()?)
}

/// A limit as SQLite takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
