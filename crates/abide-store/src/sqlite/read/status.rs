use std::path::Path;

use abide_core::port::store::Status;
use rusqlite::Connection;

use crate::sqlite::{fault::Result, import, migrate, open::beside};

pub(in crate::sqlite) fn status(conn: &Connection, path: &Path) -> Result<Status> {
    let count = |sql: &str| -> Result<u64> {
        let count: i64 = conn.query_row(sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    let mut kinds =
        conn.prepare("SELECT kind, count(*) FROM objects WHERE state IS NOT NULL GROUP BY kind ORDER BY kind")?;
    let objects = kinds.query_and_then([], |row| -> Result<(String, u64)> {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    let mut indexes = conn.prepare("SELECT kind, path FROM indexes ORDER BY kind, path")?;
    let indexes = indexes.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Status {
        store: "sqlite".into(),
        id: conn.query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| row.get(0))?,
        schema: migrate::schema(),
        objects: objects.collect::<Result<_>>()?,
        indexes: indexes.collect::<Result<_, _>>()?,
        changes: count("SELECT coalesce(sum(head - floor), 0) FROM objects")?,
        alarms: count("SELECT count(*) FROM alarms WHERE dead = 0")?,
        dead_alarms: count("SELECT count(*) FROM alarms WHERE dead = 1")?,
        outbox: count("SELECT count(*) FROM outbox")?,
        outcomes: count("SELECT count(*) FROM outcomes")?,
        bytes: file_bytes(path) + file_bytes(&beside(path, "-wal")),
        importing: import::importing(conn)?,
    })
}

fn file_bytes(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}
