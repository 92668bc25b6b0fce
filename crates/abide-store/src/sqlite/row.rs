//! Reading columns.

use abide_core::{ChangeRecord, Json, Key, Seq, Timestamp, port::store::Alarm};
use rusqlite::Row;

use super::fault::Result;

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn seq(row: &Row<'_>, column: usize) -> Result<Seq> {
    number(row, column).map(Seq::new)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn json(row: &Row<'_>, column: usize) -> Result<Json> {
    Ok(Json::trusted(text(row, column)?))
}

pub(super) fn optional_json(row: &Row<'_>, column: usize) -> Result<Option<Json>> {
    let text = row.get_ref(column)?.as_str_or_null();
    let text = text.map_err(rusqlite::Error::from)?;
    Ok(text.map(Json::trusted))
}

/// A text, borrowed from the row.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    let text = row.get_ref(column)?.as_str();
    Ok(text.map_err(rusqlite::Error::from)?)
}

/// A key whose namespace, kind and id are the columns from `column` on.
pub(super) fn key(row: &Row<'_>, column: usize) -> Result<Key> {
    let part = |place| text(row, column + place);
    Ok(Key::parse(part(0)?, part(1)?, part(2)?)?)
}

/// The columns that [`alarm`] reads.
pub(super) const ALARM_COLUMNS: &str = "a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal";

/// An alarm whose columns start at `column`.
pub(super) fn alarm(row: &Row<'_>, column: usize) -> Result<Alarm> {
    let schedule = row.get_ref(column + 5)?.as_str_or_null();
    let schedule = schedule.map_err(rusqlite::Error::from)?;
    Ok(Alarm {
        name: text(row, column)?.into(),
        due: time(row, column + 1)?,
        token: number(row, column + 2)?,
        payload: json(row, column + 3)?,
        attempt: row.get(column + 4)?,
        schedule: schedule.map(serde_json::from_str).transpose()?,
        dead: row.get(column + 6)?,
        principal: optional_json(row, column + 7)?,
    })
}

/// A change whose seq, time and body are the first columns.
pub(super) fn change(row: &Row<'_>) -> Result<ChangeRecord> {
    Ok(ChangeRecord { seq: seq(row, 0)?, at: time(row, 1)?, json: json(row, 2)?, snapshot: None })
}
