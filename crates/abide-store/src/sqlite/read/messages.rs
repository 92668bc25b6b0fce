use std::sync::Arc;

use abide_core::{
    Error, Key, Timestamp,
    port::store::{MessageId, OutboxMessage, OutboxPage, Outcome, Room},
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{oid, rows};
use crate::sqlite::{
    fault::Result,
    row::{json, key, number, optional_json, seq, text, time},
};

pub(in crate::sqlite) fn outbox(conn: &Connection, after: Option<&MessageId>, limit: usize) -> Result<OutboxPage> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {MESSAGE_COLUMNS} FROM outbox WHERE (namespace, kind, id, n) > (?, ?, ?, ?)
         ORDER BY namespace, kind, id, n LIMIT ?"
    ))?;
    let (namespace, kind, id, n) = after.map_or(("", "", "", 0), |after| {
        let sender = &after.sender;
        let (namespace, kind) = (sender.namespace().as_str(), sender.kind().as_str());
        (namespace, kind, sender.id(), after.n)
    });
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let mut found = statement.query((namespace, kind, id, n, rows(limit.saturating_add(1))))?;
    let (mut page, mut room) = (OutboxPage::default(), Room::of(limit));
    while !page.more
        && let Some(row) = found.next()?
    {
        let message = message(row)?;
        page.more = !room.takes(message.bytes());
        page.messages.extend((!page.more).then_some(message));
    }
    Ok(page)
}

/// The columns that [`message`] reads.
pub(in crate::sqlite) const MESSAGE_COLUMNS: &str =
    "namespace, kind, id, n, target_namespace, target_kind, target_id, handler, args, principal, at";

pub(in crate::sqlite) fn message(row: &Row<'_>) -> Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: MessageId { sender: key(row, 0)?, n: number(row, 3)? },
        target: key(row, 4)?,
        handler: text(row, 7)?.into(),
        args: json(row, 8)?,
        principal: optional_json(row, 9)?,
        at: time(row, 10)?,
    })
}

pub(in crate::sqlite) fn outcome(
    conn: &Connection,
    key: &Key,
    caller: &str,
    call_key: &str,
    now: Timestamp,
) -> Result<Option<Outcome>> {
    let Some(oid) = oid(conn, key)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(
        "SELECT fingerprint, seq, ok, reply, expires_at FROM outcomes
         WHERE oid = ? AND caller = ? AND call_key = ? AND expires_at > ?",
    )?;
    let mut found = statement.query((oid, caller, call_key, now.as_millis()))?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some(outcome_of(row, 0, caller.into(), call_key.into())?))
}

/// An outcome whose columns, but for its name, start at `column`.
pub(in crate::sqlite) fn outcome_of(
    row: &Row<'_>,
    column: usize,
    caller: Arc<str>,
    call_key: Arc<str>,
) -> Result<Outcome> {
    let reply = match row.get(column + 2)? {
        true => Ok(json(row, column + 3)?),
        false => Err(serde_json::from_str::<Error>(text(row, column + 3)?)?),
    };
    Ok(Outcome {
        caller,
        call_key,
        fingerprint: number(row, column)?,
        seq: seq(row, column + 1)?,
        reply,
        expires_at: time(row, column + 4)?,
    })
}

pub(in crate::sqlite) fn received(conn: &Connection, key: &Key, sender: &Key) -> Result<u64> {
    let Some(oid) = oid(conn, key)? else {
        return Ok(0);
    };
    let mut statement =
        conn.prepare_cached("SELECT n FROM received WHERE oid = ? AND namespace = ? AND kind = ? AND id = ?")?;
    let (namespace, kind) = (sender.namespace().as_str(), sender.kind().as_str());
    let last: Option<i64> = statement.query_row((oid, namespace, kind, sender.id()), |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0).cast_unsigned())
}
