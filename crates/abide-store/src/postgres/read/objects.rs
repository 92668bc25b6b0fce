use abide_core::{
    Incarnation, Json, Key, Namespace, Seq,
    port::store::{ChangesPage, Loaded, Room},
};

use super::{rows, signed};
use crate::postgres::{
    connect::SharedConn,
    fault::Result,
    row::{alarm, change, json, number, seq, state, time},
    text::escaped,
};

pub(in crate::postgres) async fn load(conn: SharedConn, key: Key) -> Result<Option<Loaded>> {
    const ALARM: usize = 9;
    let (namespace, kind) = (key.namespace().as_str(), key.kind().as_str());
    let rows = conn.query(LOAD, &[&namespace, &kind, &&*escaped(key.id())]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut loaded = Loaded {
        head: seq(row, 0)?,
        floor: seq(row, 1)?,
        incarnation: Incarnation::new(number(row, 2)?),
        version: u32::try_from(row.try_get::<_, i64>(3)?).unwrap_or(u32::MAX),
        created_at: time(row, 4)?,
        updated_at: time(row, 5)?,
        commit_id: number(row, 6)?,
        state: state(row, 7)?,
        alarms: Vec::new(),
    };
    for row in &rows {
        if row.try_get::<_, Option<&str>>(ALARM)?.is_some() {
            loaded.alarms.push(alarm(row, ALARM)?);
        }
    }
    Ok(Some(loaded))
}

/// Each name costs one look into the index, however many objects have it.
pub(in crate::postgres) async fn namespaces(
    conn: SharedConn,
    after: Option<Namespace>,
    limit: usize,
) -> Result<Vec<Namespace>> {
    let after = after.as_ref().map_or("", Namespace::as_str);
    let found = conn.query(NAMESPACES, &[&after, &rows(limit)]).await?;
    found.iter().map(|row| Ok(Namespace::new(row.try_get(0)?)?)).collect()
}

const NAMESPACES: &str = "
    WITH RECURSIVE found(name) AS (
      SELECT (SELECT namespace FROM objects WHERE namespace > $1::text COLLATE \"C\" ORDER BY namespace LIMIT 1)
      UNION ALL
      SELECT (SELECT namespace FROM objects WHERE namespace > found.name ORDER BY namespace LIMIT 1)
      FROM found WHERE found.name IS NOT NULL
    )
    SELECT name FROM found WHERE name IS NOT NULL LIMIT $2::bigint";

pub(in crate::postgres) async fn changes(conn: SharedConn, key: Key, after: Seq, limit: usize) -> Result<ChangesPage> {
    let (namespace, kind) = (key.namespace().as_str(), key.kind().as_str());
    let (after, most) = (signed(after.number()), rows(limit));
    let rows = conn.query(CHANGES, &[&namespace, &kind, &&*escaped(key.id()), &after, &most]).await?;
    let Some(first) = rows.first() else {
        return Ok(ChangesPage::default());
    };
    let mut page = ChangesPage { changes: Vec::new(), head: seq(first, 0)?, floor: seq(first, 1)? };
    let mut room = Room::of(limit);
    for row in &rows {
        if row.try_get::<_, Option<i64>>(2)?.is_none() {
            break;
        }
        let change = change(row, 2)?;
        if !room.takes(change.bytes()) {
            break;
        }
        page.changes.push(change);
    }
    Ok(page)
}

pub(in crate::postgres) async fn snapshot(conn: SharedConn, key: Key, at: Seq) -> Result<Option<(Seq, Json)>> {
    let (namespace, kind) = (key.namespace().as_str(), key.kind().as_str());
    let rows = conn.query(SNAPSHOT, &[&namespace, &kind, &&*escaped(key.id()), &signed(at.number())]).await?;
    rows.first().map(|row| Ok((seq(row, 0)?, json(row, 1)?))).transpose()
}

const LOAD: &str = "
    SELECT o.head, o.floor, o.incarnation, o.version, o.created_at, o.updated_at, o.commit_id,
           o.exact, CASE WHEN o.exact IS NULL THEN o.state::text END,
           a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM objects o LEFT JOIN alarms a ON a.oid = o.oid
    WHERE o.namespace = $1 AND o.kind = $2 AND o.id = $3 ORDER BY a.name";

const CHANGES: &str = concat!(
    "SELECT o.head, o.floor, l.seq, l.at, l.body FROM objects o LEFT JOIN LATERAL (",
    measured!(
        "
      SELECT seq, at, body FROM log
      WHERE log.oid = o.oid AND log.seq > greatest(o.floor, $4::bigint) AND body IS NOT NULL
      ORDER BY seq LIMIT $5::bigint",
        "octet_length(body)",
        "seq"
    ),
    ") l ON true WHERE o.namespace = $1 AND o.kind = $2 AND o.id = $3 ORDER BY l.seq"
);

const SNAPSHOT: &str = "
    SELECT l.seq, l.snapshot FROM objects o JOIN log l ON l.oid = o.oid
    WHERE o.namespace = $1 AND o.kind = $2 AND o.id = $3
      AND l.seq > o.floor AND l.seq <= $4::bigint AND l.snapshot IS NOT NULL
    ORDER BY l.seq DESC LIMIT 1";
