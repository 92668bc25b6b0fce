mod texts;

use abide_core::{Json, Key};
use tokio_postgres::Row;

use super::{
    connect::Conn,
    fault::Result,
    row::{STATE, key, number, seq, state, text},
};
use crate::texts::Faults;

/// How many rows are looked at at once.
const PAGE_ROWS: i64 = 1_000;

/// The faults found, at most `limit`, in one moment of the store.
pub(super) async fn verify(conn: &Conn, shards: u32, limit: usize) -> Result<Vec<String>> {
    conn.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0").await?;
    let mut faults = Faults::new(limit);
    if let Some(progress) = super::import::progress(conn).await? {
        // What is not in yet is no fault.
        faults.add(crate::import::fault(&progress.importing));
        conn.run("COMMIT").await?;
        return Ok(faults.found);
    }
    objects(conn, shards, &mut faults).await?;
    for (sql, tell) in CHECKS {
        if faults.enough() {
            break;
        }
        for row in conn.query(sql, &[]).await? {
            faults.add(tell(&row)?);
        }
    }
    texts::texts(conn, &mut faults).await?;
    epochs(conn, shards, &mut faults).await?;
    conn.run("COMMIT").await?;
    Ok(faults.found)
}

/// The name of an object whose columns start at `column`, also where it is no key.
fn named(row: &Row, column: usize) -> Result<String> {
    Ok(crate::texts::owner(row.try_get(column)?, row.try_get(column + 1)?, &text(row, column + 2)?))
}

/// Keys that are keys, shards as the keys say, states that are JSON and look the same to queries, no
/// alarms on graves.
async fn objects(conn: &Conn, shards: u32, faults: &mut Faults) -> Result<()> {
    let mut after = i64::MIN;
    while !faults.enough() {
        let sql = OBJECTS.get_or_init(|| {
            format!(
                "SELECT o.oid, o.namespace, o.kind, o.id, o.shard, o.head, {STATE}, o.state::text,
                        (SELECT count(*) FROM alarms a WHERE a.oid = o.oid)
                 FROM objects o WHERE o.oid > $1::bigint ORDER BY o.oid LIMIT {PAGE_ROWS}"
            )
        });
        let rows = conn.query(sql, &[&after]).await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get(0)?;
        rows.iter().try_for_each(|row| object(row, shards, faults))?;
    }
    Ok(())
}

static OBJECTS: std::sync::OnceLock<String> = std::sync::OnceLock::new();

fn object(row: &Row, shards: u32, faults: &mut Faults) -> Result<()> {
    let Ok(key) = key(row, 1) else {
        let oid = row.try_get::<_, i64>(0)?;
        faults.add(format!("an object's key is no key: {} (oid {oid})", named(row, 1)?));
        return Ok(());
    };
    let (shard, belongs) = (number(row, 4)?, key.shard(shards));
    if shard != u64::from(belongs.number()) {
        faults.add(format!("{key}: it is stored in shard {shard}, its hash belongs to {belongs}"));
    }
    match state(row, 6)? {
        Some(state) => well_formed(&key, &state, row, faults)?,
        None if number(row, 9)? > 0 && seq(row, 5)?.number() > 0 => {
            faults.add(format!("{key}: it is deleted and has {} alarms", number(row, 9)?));
        }
        None => {}
    }
    Ok(())
}

fn well_formed(key: &Key, state: &Json, row: &Row, faults: &mut Faults) -> Result<()> {
    if let Err(error) = Json::parse(state.as_str()) {
        faults.add(format!("{key}: its state is no JSON: {error}"));
        return Ok(());
    }
    let Some(queried) = row.try_get::<_, Option<&str>>(8)? else {
        faults.add(format!("{key}: it has a text of its state that queries do not see"));
        return Ok(());
    };
    // Numbers that `jsonb` writes otherwise are equal as floating point numbers.
    let form = super::form::form(state.as_str());
    let (wanted, found) = (Json::trusted(&*form.query).value(), Json::trusted(queried).value());
    if !same(&wanted, &found) {
        faults.add(format!("{key}: queries see another state than the one it has"));
    }
    Ok(())
}

fn same(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

/// Each shard has its epoch.
async fn epochs(conn: &Conn, shards: u32, faults: &mut Faults) -> Result<()> {
    let sql = "SELECT count(*), coalesce(min(shard), 0), coalesce(max(shard), -1), coalesce(min(epoch), 0) FROM shards";
    let row = conn.row(sql, &[]).await?;
    let (count, first, last): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let shards = i64::from(shards);
    if (count, first, last) != (shards, 0, shards - 1) || row.try_get::<_, i64>(3)? < 0 {
        faults.add(format!("the store has {shards} shards, but epochs for {count}, from {first} to {last}"));
    }
    Ok(())
}

type Check = (&'static str, fn(&Row) -> Result<String>);

/// Each gives the rows that should not be.
const CHECKS: &[Check] = &[
    (
        "SELECT o.namespace, o.kind, o.id, o.floor, o.head, c.kept, c.first, c.last FROM objects o LEFT JOIN (
           SELECT l.oid, count(*) AS kept, min(l.seq) AS first, max(l.seq) AS last
           FROM log l JOIN objects p ON p.oid = l.oid AND l.seq > p.floor WHERE l.body IS NOT NULL GROUP BY l.oid
         ) c ON c.oid = o.oid
         WHERE coalesce(c.kept, 0) <> o.head - o.floor
            OR c.kept > 0 AND (c.first <> o.floor + 1 OR c.last <> o.head) LIMIT 100",
        |row| {
            let kept = row.try_get::<_, Option<i64>>(5)?.unwrap_or(0);
            let (key, floor, head) = (named(row, 0)?, seq(row, 3)?, seq(row, 4)?);
            Ok(format!("{key}: its log is not dense: floor {floor}, head {head}, {kept} changes kept"))
        },
    ),
    (
        "SELECT o.namespace, o.kind, o.id, s.pos FROM (
           SELECT l.oid, l.shard, l.pos, coalesce(l.first, l.seq) AS first, l.seq,
                  lag(l.seq) OVER (PARTITION BY l.oid ORDER BY l.pos) AS before
           FROM log l JOIN shards h ON h.shard = l.shard WHERE l.pos > h.feed_floor
         ) s JOIN objects o ON o.oid = s.oid
         WHERE s.first > s.seq OR s.before + 1 <> s.first OR s.shard <> o.shard LIMIT 100",
        |row| {
            Ok(format!(
                "{}: its entry at {} of its shard does not follow the one before",
                named(row, 0)?,
                number(row, 3)?
            ))
        },
    ),
    (
        "SELECT o.namespace, o.kind, o.id, max(l.seq), o.head FROM log l JOIN objects o ON o.oid = l.oid
         JOIN shards h ON h.shard = l.shard WHERE l.pos > h.feed_floor
         GROUP BY o.oid, o.namespace, o.kind, o.id, o.head HAVING max(l.seq) <> o.head LIMIT 100",
        |row| Ok(format!("{}: the log leads to {}, its head is {}", named(row, 0)?, number(row, 3)?, number(row, 4)?)),
    ),
    (
        "SELECT c.shard, c.first, c.last, c.entries FROM (
           SELECT l.shard, min(l.pos) AS first, max(l.pos) AS last, count(*) AS entries
           FROM log l JOIN shards h ON h.shard = l.shard WHERE l.pos > h.feed_floor GROUP BY l.shard
         ) c WHERE c.last - c.first + 1 <> c.entries LIMIT 100",
        |row| {
            let (shard, first, last) = (number(row, 0)?, number(row, 1)?, number(row, 2)?);
            Ok(format!("shard {shard}: its feed has {} entries from {first} to {last}", number(row, 3)?))
        },
    ),
    (
        "SELECT t.name, t.oid FROM (
           SELECT 'log' AS name, oid FROM log UNION ALL SELECT 'alarms', oid FROM alarms
           UNION ALL SELECT 'received', oid FROM received UNION ALL SELECT 'outcomes', oid FROM outcomes
         ) t WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.oid = t.oid) LIMIT 100",
        |row| Ok(format!("a row of {} belongs to no object (oid {})", row.try_get::<_, &str>(0)?, number(row, 1)?)),
    ),
];
