//! Reading columns.

use abide_core::{ChangeRecord, Json, Key, Seq, Timestamp, port::store::Alarm};
use tokio_postgres::Row;

use super::{fault::Result, form::compact, text::unescaped};

pub(super) fn number(row: &Row, column: usize) -> Result<u64> {
    Ok(row.try_get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn seq(row: &Row, column: usize) -> Result<Seq> {
    number(row, column).map(Seq::new)
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn json(row: &Row, column: usize) -> Result<Json> {
    Ok(Json::trusted(row.try_get::<_, &str>(column)?))
}

pub(super) fn optional_json(row: &Row, column: usize) -> Result<Option<Json>> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(Json::trusted))
}

/// A text that may hold any character.
pub(super) fn text(row: &Row, column: usize) -> Result<String> {
    Ok(unescaped(row.try_get(column)?).into_owned())
}

/// A key whose namespace, kind and id are the columns from `column` on.
pub(super) fn key(row: &Row, column: usize) -> Result<Key> {
    let id = text(row, column + 2)?;
    Ok(Key::parse(row.try_get(column)?, row.try_get(column + 1)?, &id)?)
}

/// The columns of `o` that [`state`] reads.
pub(super) const STATE: &str = "o.exact, CASE WHEN o.exact IS NULL THEN o.state::text END";

/// A state whose columns start at `column`; `None` is a grave.
pub(super) fn state(row: &Row, column: usize) -> Result<Option<Json>> {
    if let Some(exact) = row.try_get::<_, Option<&str>>(column)? {
        return Ok(Some(Json::trusted(exact)));
    }
    Ok(row.try_get::<_, Option<&str>>(column + 1)?.map(|printed| Json::trusted(compact(printed))))
}

/// An alarm whose columns start at `column`.
pub(super) fn alarm(row: &Row, column: usize) -> Result<Alarm> {
    let schedule = row.try_get::<_, Option<&str>>(column + 5)?;
    let dead = row.try_get::<_, Option<&str>>(column + 6)?;
    Ok(Alarm {
        name: text(row, column)?.into(),
        due: time(row, column + 1)?,
        token: number(row, column + 2)?,
        payload: json(row, column + 3)?,
        attempt: u32::try_from(row.try_get::<_, i64>(column + 4)?).unwrap_or(u32::MAX),
        schedule: schedule.map(serde_json::from_str).transpose()?,
        dead: dead.map(|error| unescaped(error).into_owned()),
        principal: row.try_get::<_, Option<&str>>(column + 7)?.map(Json::trusted),
    })
}

/// A change whose seq, time and body start at `column`.
pub(super) fn change(row: &Row, column: usize) -> Result<ChangeRecord> {
    let (at, json) = (time(row, column + 1)?, json(row, column + 2)?);
    Ok(ChangeRecord { seq: seq(row, column)?, at, json, snapshot: None })
}
