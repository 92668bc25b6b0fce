use abide_core::{Key, Schedule};
use rusqlite::{Connection, Row, types::ValueRef};

use super::{
    fault::Result,
    import,
    row::{key, number, seq},
};
use crate::texts::{self, Faults};

/// The faults found, at most `limit`.
pub(super) fn verify(conn: &Connection, shards: u32, limit: usize) -> Result<Vec<String>> {
    let mut faults = Faults::new(limit);
    if let Some(importing) = import::importing(conn)? {
        // What is not in yet is no fault.
        faults.add(crate::import::fault(&importing));
        return Ok(faults.found);
    }
    file(conn, &mut faults)?;
    objects(conn, shards, &mut faults)?;
    texts(conn, &mut faults)?;
    owners(conn, &mut faults)?;
    epochs(conn, shards, &mut faults)?;
    indexes(conn, &mut faults)?;
    steps(conn, &mut faults)?;
    chains(conn, &mut faults)?;
    Ok(faults.found)
}

impl Faults {
    /// What is wrong with a text, or that its bytes are none.
    fn judge(
        &mut self,
        owner: &str,
        what: &str,
        row: &Row<'_>,
        column: usize,
        fault: impl Fn(&str) -> Option<String>,
    ) -> Result<()> {
        match row.get_ref(column)? {
            ValueRef::Text(bytes) if let Ok(text) = std::str::from_utf8(bytes) => self.extend(fault(text)),
            _ => self.add(format!("{owner}: its {what} is no text")),
        }
        Ok(())
    }

    /// Runs `check` over the rows of a query until there are faults enough.
    fn rows(
        &mut self,
        conn: &Connection,
        sql: &str,
        mut check: impl FnMut(&Row<'_>, &mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while !self.enough()
            && let Some(row) = rows.next()?
        {
            check(row, self)?;
        }
        Ok(())
    }
}

/// The file as SQLite sees it.
fn file(conn: &Connection, faults: &mut Faults) -> Result<()> {
    let sql = format!("PRAGMA integrity_check({})", faults.limit.clamp(1, 100));
    faults.rows(conn, &sql, |row, faults| {
        let line = text(row, 0)?;
        if line != "ok" {
            faults.add(format!("the file: {line}"));
        }
        Ok(())
    })
}

/// Logs dense from floor to head, shards as the keys say, no alarms on graves.
fn objects(conn: &Connection, shards: u32, faults: &mut Faults) -> Result<()> {
    let sql = "SELECT o.namespace, o.kind, o.id, o.head, o.floor, o.shard, o.state IS NULL,
                      (SELECT count(*) FROM alarms a WHERE a.oid = o.oid), c.kept, c.first, c.last
               FROM objects o LEFT JOIN (
                 SELECT oid, count(*) kept, min(seq) first, max(seq) last FROM log l
                 WHERE body IS NOT NULL
                   AND seq > (SELECT floor FROM objects p WHERE p.oid = l.oid)
                 GROUP BY oid
               ) c USING (oid)";
    faults.rows(conn, sql, |row, faults| {
        let Ok(key) = key(row, 0) else {
            faults.add(format!("an object's key is no key: {}", named(row, 0)?));
            return Ok(());
        };
        log(&key, row, faults)?;
        let (shard, belongs): (u32, _) = (row.get(5)?, key.shard(shards));
        if shard != belongs.number() {
            faults.add(format!("{key}: it is stored in shard {shard}, its hash belongs to {belongs}"));
        }
        let (grave, alarms): (bool, u32) = (row.get(6)?, row.get(7)?);
        if grave && number(row, 3)? > 0 && alarms > 0 {
            faults.add(format!("{key}: it is deleted and has {alarms} alarms"));
        }
        Ok(())
    })
}

fn log(key: &Key, row: &Row<'_>, faults: &mut Faults) -> Result<()> {
    let (head, floor) = (seq(row, 3)?, seq(row, 4)?);
    let kept = row.get::<_, Option<i64>>(8)?.map_or(0, i64::cast_unsigned);
    let (first, last): (Option<i64>, Option<i64>) = (row.get(9)?, row.get(10)?);
    let (first, last) = (first.map(i64::cast_unsigned), last.map(i64::cast_unsigned));
    let ends = match (first, last) {
        (Some(first), Some(last)) => first == floor.next().number() && last == head.number(),
        _ => floor == head,
    };
    if !ends || floor.plus(kept) != head {
        faults.add(format!(
            "{key}: its log is not dense: floor {floor}, head {head}, {kept} changes kept, from {} to {}",
            first.unwrap_or(0),
            last.unwrap_or(0),
        ));
    }
    Ok(())
}

/// A text, also where its bytes are none.
fn text(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
    })
}

/// The name of an object whose columns start at `column`, also where it is no key.
fn named(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(texts::owner(&text(row, column)?, &text(row, column + 1)?, &text(row, column + 2)?))
}

/// Every text that should be JSON is.
fn texts(conn: &Connection, faults: &mut Faults) -> Result<()> {
    for (what, sql) in [
        ("state", "SELECT namespace, kind, id, state, '' FROM objects WHERE state IS NOT NULL"),
        (
            "snapshot of ",
            "SELECT namespace, kind, id, snapshot, seq FROM marks JOIN objects USING (oid)
             WHERE snapshot IS NOT NULL",
        ),
        ("payload of the alarm ", "SELECT namespace, kind, id, payload, name FROM alarms JOIN objects USING (oid)"),
        (
            "principal of the alarm ",
            "SELECT namespace, kind, id, principal, name FROM alarms JOIN objects USING (oid)
             WHERE principal IS NOT NULL",
        ),
        ("arguments of the message ", "SELECT namespace, kind, id, args, n FROM outbox"),
        (
            "principal of the message ",
            "SELECT namespace, kind, id, principal, n FROM outbox WHERE principal IS NOT NULL",
        ),
    ] {
        faults.rows(conn, sql, |row, faults| {
            let (owner, what) = (named(row, 0)?, format!("{what}{}", text(row, 4)?));
            faults.judge(&owner, &what, row, 3, |text| texts::json(&owner, &what, text))
        })?;
    }
    let changes = "SELECT namespace, kind, id, seq, body FROM log JOIN objects USING (oid) WHERE body IS NOT NULL";
    faults.rows(conn, changes, |row, faults| {
        let (owner, at) = (named(row, 0)?, seq(row, 3)?);
        faults.judge(&owner, &format!("change {at}"), row, 4, |text| texts::change(&owner, at, text))
    })?;
    let outcomes = "SELECT namespace, kind, id, caller, call_key, ok, reply FROM outcomes JOIN objects USING (oid)";
    faults.rows(conn, outcomes, |row, faults| {
        let (owner, caller, call_key) = (named(row, 0)?, text(row, 3)?, text(row, 4)?);
        let (what, ok) = (format!("outcome of the call {call_key:?}"), row.get(5)?);
        faults.judge(&owner, &what, row, 6, |text| texts::reply(&owner, &caller, &call_key, ok, text))
    })?;
    let schedules = "SELECT namespace, kind, id, schedule, name FROM alarms JOIN objects USING (oid)
                     WHERE schedule IS NOT NULL";
    faults.rows(conn, schedules, |row, faults| {
        let (owner, what) = (named(row, 0)?, format!("schedule of the alarm {}", text(row, 4)?));
        faults.judge(&owner, &what, row, 3, |text| {
            let error = serde_json::from_str::<Schedule>(text).err()?;
            Some(format!("{owner}: its {what} is none: {error}"))
        })
    })
}

/// Nothing belongs to an object that was never there.
fn owners(conn: &Connection, faults: &mut Faults) -> Result<()> {
    for table in ["log", "marks", "alarms", "received", "outcomes"] {
        let sql = format!("SELECT oid, count(*) FROM {table} WHERE oid NOT IN (SELECT oid FROM objects) GROUP BY oid");
        faults.rows(conn, &sql, |row, faults| {
            let (oid, rows): (i64, i64) = (row.get(0)?, row.get(1)?);
            faults.add(format!("{rows} rows of {table} belong to no object (oid {oid})"));
            Ok(())
        })?;
    }
    Ok(())
}

/// Each field that is noted as indexed has its index, and no other has.
fn indexes(conn: &Connection, faults: &mut Faults) -> Result<()> {
    let made = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB 'indexed_*'";
    let noted = "SELECT 'indexed_' || number FROM indexes";
    for (sql, what) in [
        (format!("{noted} EXCEPT {made}"), "is noted, but is not there"),
        (format!("{made} EXCEPT {noted}"), "is there, but is not noted"),
    ] {
        faults.rows(conn, &sql, |row, faults| {
            faults.add(format!("the index {} {what}", text(row, 0)?));
            Ok(())
        })?;
    }
    Ok(())
}

/// Each shard has its epoch.
fn epochs(conn: &Connection, shards: u32, faults: &mut Faults) -> Result<()> {
    let sql = "SELECT count(*), coalesce(min(shard), 0), coalesce(max(shard), -1), coalesce(min(epoch), 0)
               FROM shards";
    faults.rows(conn, sql, |row, faults| {
        let (count, first, last): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let shards = i64::from(shards);
        if (count, first, last) != (shards, 0, shards - 1) || row.get::<_, i64>(3)? < 0 {
            faults.add(format!("the store has {shards} shards, but epochs for {count}, from {first} to {last}"));
        }
        Ok(())
    })
}

/// The steps of each object follow one another in the log and end at its head.
fn steps(conn: &Connection, faults: &mut Faults) -> Result<()> {
    let steps = "SELECT o.namespace, o.kind, o.id, l.pos, coalesce(l.first, l.seq), l.seq,
                        lag(l.seq) OVER (PARTITION BY l.oid ORDER BY l.pos)
                 FROM log l JOIN objects o USING (oid)
                 WHERE l.pos > (SELECT value FROM meta WHERE name = 'feed_floor')";
    faults.rows(conn, steps, |row, faults| {
        let (pos, first, last): (i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let before: Option<i64> = row.get(6)?;
        if first > last || before.is_some_and(|before| before + 1 != first) {
            faults.add(format!(
                "{}: its entry at {pos} of the log goes from {first} to {last}, the one before ended at {}",
                named(row, 0)?,
                before.unwrap_or(0),
            ));
        }
        Ok(())
    })?;
    let ends = "SELECT o.namespace, o.kind, o.id, max(l.seq), o.head
                FROM log l JOIN objects o USING (oid)
                WHERE l.pos > (SELECT value FROM meta WHERE name = 'feed_floor')
                GROUP BY l.oid HAVING max(l.seq) != o.head";
    faults.rows(conn, ends, |row, faults| {
        let (last, head): (i64, i64) = (row.get(3)?, row.get(4)?);
        faults.add(format!("{}: the log leads to {last}, its head is {head}", named(row, 0)?));
        Ok(())
    })
}

/// From an object's last entry, and from each mark, the way back through the log is unbroken.
fn chains(conn: &Connection, faults: &mut Faults) -> Result<()> {
    let links = "SELECT o.namespace, o.kind, o.id, l.pos, l.seq, l.prev
                 FROM log l JOIN objects o USING (oid) LEFT JOIN log p ON p.pos = l.prev
                 WHERE l.body IS NOT NULL AND l.seq > o.floor + 1
                   AND (p.oid IS NOT o.oid OR p.seq IS NOT l.seq - 1)";
    faults.rows(conn, links, |row, faults| {
        let (pos, seq, prev): (i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let key = named(row, 0)?;
        faults.add(format!(
            "{key}: its entry at {pos} of the log (seq {seq}) names {prev} as the one before, which it is not"
        ));
        Ok(())
    })?;
    let starts = "SELECT o.namespace, o.kind, o.id, s.seq, s.pos FROM (
                    SELECT oid, head seq, pos FROM objects WHERE head > floor
                    UNION ALL
                    SELECT m.oid, m.seq, m.pos FROM marks m JOIN objects USING (oid)
                    WHERE m.seq > floor
                  ) s JOIN objects o USING (oid) LEFT JOIN log l ON l.pos = s.pos
                  WHERE l.oid IS NOT s.oid OR l.seq IS NOT s.seq";
    faults.rows(conn, starts, |row, faults| {
        let (seq, pos): (i64, i64) = (row.get(3)?, row.get(4)?);
        faults.add(format!("{}: its seq {seq} is not at {pos} of the log", named(row, 0)?));
        Ok(())
    })
}
