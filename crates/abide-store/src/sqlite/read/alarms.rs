use abide_core::{
    Timestamp,
    port::store::{AlarmCursor, AlarmsPage, AlarmsQuery, DueAlarm, Room},
};
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::rows;
use crate::sqlite::{
    fault::Result,
    row::{ALARM_COLUMNS, alarm, key},
};

/// The order of alarms. The index gives the first column of it, ties are few.
const ORDER: &str = "ORDER BY a.due, o.namespace, o.kind, o.id, a.name LIMIT ?";
/// What comes after a cursor in that order.
const AFTER: &str = "AND a.due >= ? AND (a.due, o.namespace, o.kind, o.id, a.name) > (?, ?, ?, ?, ?)";

pub(in crate::sqlite) fn due(
    conn: &Connection,
    until: Timestamp,
    after: Option<&AlarmCursor>,
    limit: usize,
) -> Result<AlarmsPage> {
    let until = until.as_millis();
    let mut values: Vec<&dyn ToSql> = vec![&until];
    let place = after.map(Place::of);
    let after = Place::bind(place.as_ref(), &mut values);
    let one_more = rows(limit.saturating_add(1));
    values.push(&one_more);
    let sql = format!(
        "SELECT o.namespace, o.kind, o.id, {ALARM_COLUMNS}
         FROM alarms a INDEXED BY alarms_due CROSS JOIN objects o ON o.oid = a.oid
         WHERE a.dead = 0 AND a.due <= ? {after} {ORDER}"
    );
    query(conn, &sql, &values, limit)
}

pub(in crate::sqlite) fn list(conn: &Connection, query_: &AlarmsQuery) -> Result<AlarmsPage> {
    let namespace = query_.namespace.as_str();
    let mut values: Vec<&dyn ToSql> = vec![&namespace];
    let dead = if query_.dead { "AND a.dead = 1" } else { "" };
    let name = query_.key.as_ref().map(|key| {
        let (namespace, kind) = (key.namespace().as_str(), key.kind().as_str());
        (namespace, kind, key.id())
    });
    let of_key = match &name {
        Some((namespace, kind, id)) => {
            values.extend([namespace as &dyn ToSql, kind, id]);
            "AND o.namespace = ? AND o.kind = ? AND o.id = ?"
        }
        None => "",
    };
    let place = query_.after.as_ref().map(Place::of);
    let after = Place::bind(place.as_ref(), &mut values);
    let one_more = rows(query_.limit.saturating_add(1));
    values.push(&one_more);
    let sql = format!(
        "SELECT o.namespace, o.kind, o.id, {ALARM_COLUMNS}
         FROM alarms a JOIN objects o ON o.oid = a.oid
         WHERE o.namespace = ? {dead} {of_key} {after} {ORDER}"
    );
    query(conn, &sql, &values, query_.limit)
}

/// A cursor in the types of its columns.
struct Place<'c> {
    due: i64,
    namespace: &'c str,
    kind: &'c str,
    id: &'c str,
    name: &'c str,
}

impl<'c> Place<'c> {
    fn of(cursor: &'c AlarmCursor) -> Self {
        Self {
            due: cursor.due.as_millis(),
            namespace: cursor.key.namespace().as_str(),
            kind: cursor.key.kind().as_str(),
            id: cursor.key.id(),
            name: &cursor.name,
        }
    }

    /// Adds the values of [`AFTER`], if there is a cursor.
    fn bind<'v>(place: Option<&'v Self>, values: &mut Vec<&'v dyn ToSql>) -> &'static str {
        let Some(place) = place else { return "" };
        values.extend([&place.due as &dyn ToSql, &place.due, &place.namespace]);
        values.extend([&place.kind as &dyn ToSql, &place.id, &place.name]);
        AFTER
    }
}

/// Of one row more than the limit, those that are in the page.
fn query(conn: &Connection, sql: &str, values: &[&dyn ToSql], limit: usize) -> Result<AlarmsPage> {
    let read = |row: &Row<'_>| -> Result<_> { Ok(DueAlarm { key: key(row, 0)?, alarm: alarm(row, 3)? }) };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut page, mut room) = (AlarmsPage::default(), Room::of(limit));
    while !page.more
        && let Some(row) = rows.next()?
    {
        let due = read(row)?;
        page.more = !room.takes(due.bytes());
        page.alarms.extend((!page.more).then_some(due));
    }
    Ok(page)
}
