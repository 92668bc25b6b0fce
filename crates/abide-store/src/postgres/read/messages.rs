use abide_core::{
    Error, Json, Key, Timestamp,
    port::store::{MessageId, OutboxMessage, OutboxPage, Outcome, Room},
};
use tokio_postgres::Row;

use super::{rows, signed};
use crate::postgres::{
    connect::SharedConn,
    fault::Result,
    row::{json, key, number, optional_json, seq, text, time},
    text::escaped,
};

pub(in crate::postgres) async fn outbox(
    conn: SharedConn,
    after: Option<MessageId>,
    limit: usize,
) -> Result<OutboxPage> {
    const FOUND: usize = 12;
    let (namespace, kind, id, n) = after.as_ref().map_or(("", "", "".into(), 0), |after| {
        let sender = &after.sender;
        (sender.namespace().as_str(), sender.kind().as_str(), escaped(sender.id()), signed(after.n))
    });
    let rows = conn.query(OUTBOX, &[&namespace, &kind, &&*id, &n, &rows(limit.saturating_add(1))]).await?;
    let found = rows.first().map_or(Ok(0), |row| number(row, FOUND))?;
    let (mut messages, mut room) = (Vec::new(), Room::of(limit));
    for row in &rows {
        let message = message(row)?;
        if !room.takes(message.bytes()) {
            break;
        }
        messages.push(message);
    }
    Ok(OutboxPage { more: (messages.len() as u64) < found, messages, partial: false })
}

pub(in crate::postgres) fn message(row: &Row) -> Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: MessageId { sender: key(row, 0)?, n: number(row, 3)? },
        target: key(row, 4)?,
        handler: text(row, 7)?.into(),
        args: json(row, 8)?,
        principal: optional_json(row, 9)?,
        at: time(row, 10)?,
    })
}

/// Which outcome: whose, by caller and call key, and what time it is.
#[derive(Clone)]
pub(in crate::postgres) struct Wanted {
    pub(in crate::postgres) key: Key,
    pub(in crate::postgres) caller: String,
    pub(in crate::postgres) call_key: String,
    pub(in crate::postgres) now: Timestamp,
}

pub(in crate::postgres) async fn outcome(conn: SharedConn, wanted: Wanted) -> Result<Option<Outcome>> {
    let Wanted { key, caller, call_key, now } = wanted;
    let (namespace, kind, id) = (key.namespace().as_str(), key.kind().as_str(), escaped(key.id()));
    let values = (escaped(&caller), escaped(&call_key), now.as_millis());
    let rows = conn.query(OUTCOME, &[&namespace, &kind, &&*id, &&*values.0, &&*values.1, &values.2]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Outcome {
        caller: caller.as_str().into(),
        call_key: call_key.as_str().into(),
        fingerprint: number(row, 0)?,
        seq: seq(row, 1)?,
        reply: reply(row, 2)?,
        expires_at: time(row, 4)?,
    }))
}

/// A reply whose columns, whether it is one and its text, start at `column`.
pub(in crate::postgres) fn reply(row: &Row, column: usize) -> Result<Result<Json, Error>> {
    if row.try_get(column)? {
        return Ok(Ok(json(row, column + 1)?));
    }
    Ok(Err(serde_json::from_str(row.try_get(column + 1)?)?))
}

pub(in crate::postgres) async fn received(conn: SharedConn, key: Key, sender: Key) -> Result<u64> {
    let (namespace, kind, id) = (key.namespace().as_str(), key.kind().as_str(), escaped(key.id()));
    let from = (sender.namespace().as_str(), sender.kind().as_str(), escaped(sender.id()));
    let rows = conn.query(RECEIVED, &[&namespace, &kind, &&*id, &from.0, &from.1, &&*from.2]).await?;
    rows.first().map_or(Ok(0), |row| number(row, 0))
}

const OUTBOX: &str = measured!(
    "
    SELECT namespace, kind, id, n, target_namespace, target_kind, target_id, handler, args, principal, at
    FROM outbox WHERE (namespace, kind, id, n) > ($1::text, $2::text, $3::text, $4::bigint)
    ORDER BY namespace, kind, id, n LIMIT $5::bigint",
    "octet_length(args) + coalesce(octet_length(principal), 0)",
    "namespace, kind, id, n"
);

const OUTCOME: &str = "
    SELECT c.fingerprint, c.seq, c.ok, c.reply, c.expires_at FROM objects o JOIN outcomes c ON c.oid = o.oid
    WHERE o.namespace = $1 AND o.kind = $2 AND o.id = $3
      AND c.caller = $4 AND c.call_key = $5 AND c.expires_at > $6::bigint";

const RECEIVED: &str = "
    SELECT r.n FROM objects o JOIN received r ON r.oid = o.oid
    WHERE o.namespace = $1 AND o.kind = $2 AND o.id = $3 AND r.namespace = $4 AND r.kind = $5 AND r.id = $6";
