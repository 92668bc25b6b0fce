use abide_core::{
    Incarnation, Json, Key, Seq,
    port::store::{Alarm, ChangesPage, Loaded},
};
use rusqlite::Connection;

use super::{oid, rows};
use crate::sqlite::{
    fault::Result,
    row::{ALARM_COLUMNS, alarm, change, json, number, optional_json, seq, time},
};

pub(in crate::sqlite) fn load(conn: &Connection, key: &Key) -> Result<Option<Loaded>> {
    let mut statement = conn.prepare_cached(
        "SELECT oid, head, floor, incarnation, version, created_at, updated_at, commit_id, state
         FROM objects WHERE namespace = ? AND kind = ? AND id = ?",
    )?;
    let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
    let mut found = statement.query(name)?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some(Loaded {
        head: seq(row, 1)?,
        floor: seq(row, 2)?,
        incarnation: Incarnation::new(number(row, 3)?),
        state: optional_json(row, 8)?,
        version: row.get(4)?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
        commit_id: number(row, 7)?,
        alarms: alarms(conn, row.get(0)?)?,
    }))
}

/// All alarms of an object, by name.
fn alarms(conn: &Connection, oid: i64) -> Result<Vec<Alarm>> {
    let sql = format!("SELECT {ALARM_COLUMNS} FROM alarms a WHERE a.oid = ? ORDER BY a.name");
    let mut statement = conn.prepare_cached(&sql)?;
    let alarms = statement.query_and_then([oid], |row| alarm(row, 0))?;
    alarms.collect()
}

pub(in crate::sqlite) fn changes(
    conn: &Connection,
    key: &Key,
    after: Seq,
    limit: usize,
) -> Result<ChangesPage> {
    let mut statement = conn.prepare_cached(
        "SELECT oid, head, floor FROM objects WHERE namespace = ? AND kind = ? AND id = ?",
    )?;
    let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
    let mut found = statement.query(name)?;
    let Some(row) = found.next()? else {
        return Ok(ChangesPage::default());
    };
    let (oid, head, floor): (i64, _, _) = (row.get(0)?, seq(row, 1)?, seq(row, 2)?);
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, body FROM changes WHERE oid = ? AND seq > ? ORDER BY seq LIMIT ?",
    )?;
    let after = i64::try_from(after.number()).unwrap_or(i64::MAX);
    let changes = statement.query_and_then((oid, after, rows(limit)), change)?;
    Ok(ChangesPage {
        changes: changes.collect::<Result<_>>()?,
        head,
        floor,
    })
}

pub(in crate::sqlite) fn snapshot(
    conn: &Connection,
    key: &Key,
    at: Seq,
) -> Result<Option<(Seq, Json)>> {
    let Some(oid) = oid(conn, key)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(
        "SELECT seq, snapshot FROM changes WHERE oid = ? AND seq <= ? AND snapshot IS NOT NULL
         ORDER BY seq DESC LIMIT 1",
    )?;
    let at = i64::try_from(at.number()).unwrap_or(i64::MAX);
    let mut found = statement.query((oid, at))?;
    match found.next()? {
        Some(row) => Ok(Some((seq(row, 0)?, json(row, 1)?))),
        None => Ok(None),
    }
}
