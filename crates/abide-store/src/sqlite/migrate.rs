use std::path::Path;

use rusqlite::Connection;

use super::{
    fault::{Fault, Result},
    options::SqliteOptions,
};
use crate::error::OpenError;

/// Marks a SQLite file as a store: "Abid" in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x4162_6964;

/// What leads from each schema version to the next; the first creates version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_indexes.sql"),
    include_str!("migrations/0003_alarms_of_principals.sql"),
];

/// The schema version this program writes.
pub(super) fn schema() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Refuses what is no store, or one of a newer version, before anything is written; and one of an older
/// version, unless it may be brought up to date; and a file without a store, unless one may be created.
pub(super) fn recognise(conn: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), OpenError> {
    let may_migrate = options.create || options.exclusive;
    let fault = |fault: Fault| fault.opening(path);
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables = number(conn, tables).map_err(fault)?;
    let application = number(conn, "PRAGMA application_id").map_err(fault)?;
    let version = version(conn).map_err(fault)?;
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(OpenError::NotAStore {
            path: path.into(),
            why: format!("it is a SQLite database of another program, with {tables} tables and indexes"),
        });
    }
    if version > schema() {
        return Err(OpenError::NewerSchema { path: path.into(), found: version, known: schema() });
    }
    if version == 0 && !options.create {
        return Err(OpenError::NotThere { path: path.into() });
    }
    if version > 0 && version < schema() && !may_migrate {
        return Err(OpenError::OlderSchema { path: path.into(), found: version, known: schema() });
    }
    Ok(())
}

/// Brings the tables up to date: all steps in one transaction, so that a crash leaves the old schema
/// or the new one. `shards` is used for a new file only.
pub(super) fn migrate(conn: &Connection, path: &Path, shards: u32) -> Result<(), OpenError> {
    let done = (|| -> Result<()> {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let found = version(conn)?;
        if found < schema() {
            step(conn, found, shards)?;
        }
        conn.execute_batch("COMMIT")?;
        Ok(())
    })();
    done.map_err(|fault| {
        let _ = conn.execute_batch("ROLLBACK");
        fault.opening(path)
    })
}

fn step(conn: &Connection, found: u32, shards: u32) -> Result<()> {
    for migration in MIGRATIONS.iter().skip(found as usize) {
        conn.execute_batch(migration)?;
    }
    if found == 0 {
        create(conn, shards.max(1))?;
    }
    let id = ulid::Ulid::generate().to_string();
    conn.execute("INSERT INTO meta VALUES ('id', ?) ON CONFLICT DO NOTHING", [id])?;
    conn.pragma_update(None, "user_version", schema())?;
    Ok(())
}

fn create(conn: &Connection, shards: u32) -> Result<()> {
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.execute(
        "INSERT INTO meta VALUES ('shards', ?), ('feed_floor', 0), ('cleaned', 0), ('barriers', 0)",
        [shards],
    )?;
    conn.execute(
        "WITH RECURSIVE n (shard) AS (SELECT 0 UNION ALL SELECT shard + 1 FROM n WHERE shard + 1 < ?)
         INSERT INTO shards SELECT shard, 0 FROM n",
        [shards],
    )?;
    Ok(())
}

fn version(conn: &Connection) -> Result<u32> {
    let version = number(conn, "PRAGMA user_version")?;
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

fn number(conn: &Connection, sql: &str) -> Result<i64> {
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}
