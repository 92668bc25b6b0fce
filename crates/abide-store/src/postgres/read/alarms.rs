use abide_core::{
    Timestamp,
    port::store::{AlarmCursor, AlarmsQuery, DueAlarm},
};

use super::rows;
use crate::postgres::{
    connect::{SharedConn, Values},
    fault::Result,
    row::{alarm, key},
    text::escaped,
};

pub(in crate::postgres) async fn due(
    conn: SharedConn,
    until: Timestamp,
    after: Option<AlarmCursor>,
    limit: usize,
) -> Result<Vec<DueAlarm>> {
    let place = Place::of(after.as_ref());
    let (until, limit) = (until.as_millis(), rows(limit));
    query(&conn, DUE, &[&until, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &limit]).await
}

pub(in crate::postgres) async fn list(conn: SharedConn, of: AlarmsQuery) -> Result<Vec<DueAlarm>> {
    let place = Place::of(of.after.as_ref());
    let limit = rows(of.limit);
    let namespace = of.namespace.as_str();
    let Some(object) = &of.key else {
        let values: Values<'_> =
            &[&namespace, &of.dead, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &limit];
        return query(&conn, ALL, values).await;
    };
    if object.namespace() != &of.namespace {
        return Ok(Vec::new());
    }
    let (kind, id) = (object.kind().as_str(), escaped(object.id()).into_owned());
    let values: Values<'_> =
        &[&namespace, &of.dead, &place.due, &place.namespace, &place.kind, &place.id, &place.name, &limit, &kind, &id];
    query(&conn, OF_OBJECT, values).await
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

async fn query(conn: &SharedConn, sql: &'static str, values: Values<'_>) -> Result<Vec<DueAlarm>> {
    let rows = conn.query(sql, values).await?;
    rows.iter().map(|row| Ok(DueAlarm { key: key(row, 0)?, alarm: alarm(row, 3)? })).collect()
}

const DUE: &str = "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE NOT a.dead AND a.due <= $1::bigint AND a.due >= $2::bigint
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($2::bigint, $3::text, $4::text, $5::text, $6::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $7::bigint";

const ALL: &str = "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE o.namespace = $1::text AND (a.dead OR NOT $2::boolean)
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($3::bigint, $4::text, $5::text, $6::text, $7::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $8::bigint";

const OF_OBJECT: &str = "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid
    WHERE o.namespace = $1::text AND o.kind = $9::text AND o.id = $10::text AND (a.dead OR NOT $2::boolean)
      AND (a.due, o.namespace, o.kind, o.id, a.name) > ($3::bigint, $4::text, $5::text, $6::text, $7::text)
    ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT $8::bigint";
