//! Every text that should be JSON is.

use std::borrow::Cow;

use abide_core::Schedule;
use tokio_postgres::{Row, types::ToSql};

use super::named;
use crate::{
    postgres::{connect::Conn, fault::Result, row::seq, text::unescaped},
    texts::{self, Faults},
};

/// A table, read page by page in the order of its primary key, which are the first columns.
struct Table {
    /// Of what type each column of the primary key is.
    places: &'static [Place],
    /// The rows after the key that is `$1` and so on.
    sql: &'static str,
    look: fn(&Row, &mut Faults) -> Result<()>,
}

#[derive(Clone)]
enum Place {
    Number(i64),
    Text(String),
}

const NUMBER: Place = Place::Number(i64::MIN);
const TEXT: Place = Place::Text(String::new());

impl Place {
    /// The same column of another row.
    fn of(&self, row: &Row, column: usize) -> Result<Self> {
        Ok(match self {
            Self::Number(_) => Self::Number(row.try_get(column)?),
            Self::Text(_) => Self::Text(row.try_get(column)?),
        })
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Number(number) => number,
            Self::Text(text) => text,
        }
    }
}

pub(super) async fn texts(conn: &Conn, faults: &mut Faults) -> Result<()> {
    for table in TABLES {
        let mut after = table.places.to_vec();
        while !faults.enough() {
            let values: Vec<_> = after.iter().map(Place::value).collect();
            let rows = conn.query(table.sql, &values).await?;
            let Some(last) = rows.last() else { break };
            let places = after.iter().enumerate().map(|(column, place)| place.of(last, column));
            after = places.collect::<Result<_>>()?;
            rows.iter().try_for_each(|row| (table.look)(row, faults))?;
        }
    }
    Ok(())
}

/// The name of the object whose row it is; its number is in the column `oid`, its namespace in `name`.
fn owner(row: &Row, oid: usize, name: usize) -> Result<String> {
    match row.try_get::<_, Option<&str>>(name)? {
        Some(_) => named(row, name),
        None => Ok(format!("an object that is not there (oid {})", row.try_get::<_, i64>(oid)?)),
    }
}

fn plain(row: &Row, column: usize) -> Result<Cow<'_, str>> {
    Ok(unescaped(row.try_get(column)?))
}

fn optional(row: &Row, column: usize) -> Result<Option<&str>> {
    Ok(row.try_get(column)?)
}

fn change(row: &Row, faults: &mut Faults) -> Result<()> {
    let (owner, at) = (owner(row, 2, 3)?, seq(row, 6)?);
    faults.extend(optional(row, 7)?.and_then(|body| texts::change(&owner, at, body)));
    faults.extend(optional(row, 8)?.and_then(|text| texts::json(&owner, &format!("snapshot of {at}"), text)));
    Ok(())
}

fn alarm(row: &Row, faults: &mut Faults) -> Result<()> {
    let (owner, name) = (owner(row, 0, 2)?, plain(row, 1)?);
    faults.extend(texts::json(&owner, &format!("payload of the alarm {name:?}"), row.try_get(5)?));
    if let Some(error) = optional(row, 6)?.and_then(|text| serde_json::from_str::<Schedule>(text).err()) {
        faults.add(format!("{owner}: its schedule of the alarm {name:?} is none: {error}"));
    }
    let principal = format!("principal of the alarm {name:?}");
    faults.extend(optional(row, 7)?.and_then(|text| texts::json(&owner, &principal, text)));
    Ok(())
}

fn message(row: &Row, faults: &mut Faults) -> Result<()> {
    let (owner, n) = (named(row, 0)?, row.try_get::<_, i64>(3)?.cast_unsigned());
    faults.extend(texts::json(&owner, &format!("arguments of the message {n}"), row.try_get(4)?));
    let principal = format!("principal of the message {n}");
    faults.extend(optional(row, 5)?.and_then(|text| texts::json(&owner, &principal, text)));
    Ok(())
}

fn outcome(row: &Row, faults: &mut Faults) -> Result<()> {
    let (owner, caller, call_key) = (owner(row, 0, 3)?, plain(row, 1)?, plain(row, 2)?);
    faults.extend(texts::reply(&owner, &caller, &call_key, row.try_get(6)?, row.try_get(7)?));
    Ok(())
}

const TABLES: &[Table] = &[
    Table {
        places: &[NUMBER, NUMBER],
        sql: "SELECT l.shard, l.pos, l.oid, o.namespace, o.kind, o.id, l.seq, l.body, l.snapshot FROM (
                SELECT * FROM log WHERE (shard, pos) > ($1, $2) ORDER BY shard, pos LIMIT 100
              ) l LEFT JOIN objects o ON o.oid = l.oid ORDER BY l.shard, l.pos",
        look: change,
    },
    Table {
        places: &[NUMBER, TEXT],
        sql: "SELECT a.oid, a.name, o.namespace, o.kind, o.id, a.payload, a.schedule, a.principal FROM (
                SELECT * FROM alarms WHERE (oid, name) > ($1, $2) ORDER BY oid, name LIMIT 100
              ) a LEFT JOIN objects o ON o.oid = a.oid ORDER BY a.oid, a.name",
        look: alarm,
    },
    Table {
        places: &[TEXT, TEXT, TEXT, NUMBER],
        sql: "SELECT namespace, kind, id, n, args, principal FROM outbox
              WHERE (namespace, kind, id, n) > ($1, $2, $3, $4) ORDER BY namespace, kind, id, n LIMIT 100",
        look: message,
    },
    Table {
        places: &[NUMBER, TEXT, TEXT],
        sql: "SELECT c.oid, c.caller, c.call_key, o.namespace, o.kind, o.id, c.ok, c.reply FROM (
                SELECT * FROM outcomes WHERE (oid, caller, call_key) > ($1, $2, $3)
                ORDER BY oid, caller, call_key LIMIT 100
              ) c LEFT JOIN objects o ON o.oid = c.oid ORDER BY c.oid, c.caller, c.call_key",
        look: outcome,
    },
];
