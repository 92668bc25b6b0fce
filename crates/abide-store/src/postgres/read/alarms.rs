use abide_core::{
    Timestamp,
    port::store::{AlarmCursor, AlarmsPage, AlarmsQuery, DueAlarm, Room},
};

use super::rows;
use crate::postgres::{
    connect::{SharedConn, Values},
    fault::Result,
    row::{alarm, key, number},
    text::escaped,
};

pub(in crate::postgres) async fn due(
    conn: SharedConn,
    until: Timestamp,
    after: Option<AlarmCursor>,
    limit: usize,
) -> Result<AlarmsPage> {
    let place = Place::of(after.as_ref());
    let (until, most) = (until.as_millis(), rows(limit.saturating_add(1)));
    let values: Values<'_> = &[&until, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &most];
    query(&conn, DUE, values, limit).await
}

pub(in crate::postgres) async fn list(conn: SharedConn, of: AlarmsQuery) -> Result<AlarmsPage> {
    let place = Place::of(of.after.as_ref());
    let limit = rows(of.limit.saturating_add(1));
    let namespace = of.namespace.as_str();
    let Some(object) = &of.key else {
        let values: Values<'_> =
            &[&namespace, &of.dead, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &limit];
        return query(&conn, ALL, values, of.limit).await;
    };
    if object.namespace() != &of.namespace {
        return Ok(AlarmsPage::default());
    }
    let (kind, id) = (object.kind().as_str(), escaped(object.id()).into_owned());
    let values: Values<'_> =
        &[&namespace, &of.dead, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &limit, &kind, &id];
    query(&conn, OF_OBJECT, values, of.limit).await
}

/// A cursor in the types of its columns; without one, the place before all alarms.
struct Place {
    due: i64,
    namespace: String,
    kind: String,
    id: String,
    name: String,
}

impl Place {
    fn of(cursor: Option<&AlarmCursor>) -> Self {
        let text = |text: Option<&str>| escaped(text.unwrap_or_default()).into_owned();
        Self {
            due: cursor.map_or(i64::MIN, |cursor| cursor.due.as_millis()),
            namespace: text(cursor.map(|cursor| cursor.key.namespace().as_str())),
            kind: text(cursor.map(|cursor| cursor.key.kind().as_str())),
            id: text(cursor.map(|cursor| cursor.key.id())),
            name: text(cursor.map(|cursor| &*cursor.name)),
        }
    }
}

async fn query(conn: &SharedConn, sql: &'static str, values: Values<'_>, limit: usize) -> Result<AlarmsPage> {
    const FOUND: usize = 12;
    let rows = conn.query(sql, values).await?;
    let found = rows.first().map_or(Ok(0), |row| number(row, FOUND))?;
    let (mut alarms, mut room) = (Vec::new(), Room::of(limit));
    for row in &rows {
        let due = DueAlarm { key: key(row, 0)?, alarm: alarm(row, 3)? };
        if !room.takes(due.bytes()) {
            break;
        }
        alarms.push(due);
    }
    Ok(AlarmsPage { more: (alarms.len() as u64) < found, alarms, partial: false })
}

const DUE: &str = measured!(
    "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE NOT a.dead AND a.due <= $1::bigint AND a.due >= $2::bigint
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($2::bigint, $3::text, $4::text, $5::text, $6::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $7::bigint",
    "octet_length(payload) + coalesce(octet_length(error), 0) + coalesce(octet_length(principal), 0)",
    "due, namespace, kind, id, name"
);

const ALL: &str = measured!(
    "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE o.namespace = $1::text AND (a.dead OR NOT $2::boolean)
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($3::bigint, $4::text, $5::text, $6::text, $7::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $8::bigint",
    "octet_length(payload) + coalesce(octet_length(error), 0) + coalesce(octet_length(principal), 0)",
    "due, namespace, kind, id, name"
);

const OF_OBJECT: &str = measured!(
    "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE o.namespace = $1::text AND o.kind = $9::text AND o.id = $10::text AND (a.dead OR NOT $2::boolean)
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($3::bigint, $4::text, $5::text, $6::text, $7::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $8::bigint",
    "octet_length(payload) + coalesce(octet_length(error), 0) + coalesce(octet_length(principal), 0)",
    "due, namespace, kind, id, name"
);
