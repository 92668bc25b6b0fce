use std::collections::HashMap;

use abide_core::{
    Json, Key, Seq,
    port::store::{Importing, ObjectRow, Row},
};
use rusqlite::Connection;
use rustc_hash::FxBuildHasher;

use super::{
    fault::Result,
    group::MARK_EVERY,
    row::{number, seq},
    statements::Statements,
};
use crate::import;

/// The import that is not finished, if there is one.
pub(super) fn importing(conn: &Connection) -> Result<Option<Importing>> {
    let sql = "SELECT s.value, r.value FROM meta s, meta r WHERE s.name = 'importing' AND r.name = 'imported'";
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query([])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(Importing { source: row.get(0)?, rows: number(row, 1)? }))
}

/// Begins an import in a store that is empty, or made so, or goes on with one. Runs in a transaction.
pub(super) fn begin(conn: &Connection, source: String, replace: bool) -> Result<u64> {
    if let Some(importing) = importing(conn)? {
        if importing.source == source {
            return Ok(importing.rows);
        }
        if !replace {
            return Err(import::another(&importing).into());
        }
    }
    let holds = "SELECT EXISTS (SELECT 1 FROM objects) OR EXISTS (SELECT 1 FROM outbox)";
    if !replace && conn.query_row(holds, [], |row| row.get(0))? {
        return Err(import::not_empty().into());
    }
    conn.execute_batch(
        "DELETE FROM objects; DELETE FROM log; DELETE FROM marks; DELETE FROM alarms; DELETE FROM outbox;
         DELETE FROM received; DELETE FROM outcomes; UPDATE shards SET epoch = epoch + 1;
         UPDATE meta SET value = 0 WHERE name IN ('feed_floor', 'cleaned');",
    )?;
    let id = ulid::Ulid::generate().to_string();
    conn.execute("UPDATE meta SET value = ? WHERE name = 'id'", [id])?;
    conn.execute("INSERT OR REPLACE INTO meta VALUES ('importing', ?), ('imported', 0)", [source])?;
    Ok(0)
}

/// Ends an import of so many rows. Runs in a transaction.
pub(super) fn done(conn: &Connection, rows: u64) -> Result<()> {
    let importing = importing(conn)?.ok_or_else(import::not_begun)?;
    if importing.rows != rows {
        return Err(import::miscounted(&importing, rows).into());
    }
    let cut = "SELECT o.namespace, o.kind, o.id, coalesce(l.seq, 0), o.head
               FROM objects o LEFT JOIN log l ON l.pos = o.pos WHERE coalesce(l.seq, 0) != o.head LIMIT 1";
    let mut cut = conn.prepare(cut)?;
    let mut found = cut.query([])?;
    if let Some(row) = found.next()? {
        return Err(import::cut_short(&super::row::key(row, 0)?, seq(row, 3)?, seq(row, 4)?).into());
    }
    conn.execute("DELETE FROM meta WHERE name IN ('importing', 'imported')", [])?;
    Ok(())
}

/// What takes rows in. It lives for one page of them, in one transaction.
pub(super) struct Intake<'w, 'c> {
    pub(super) conn: &'c Connection,
    pub(super) sql: &'w mut Statements<'c>,
    pub(super) shards: u32,
    pub(super) next_oid: i64,
    pub(super) next_pos: i64,
}

/// An object that has rows on this page.
struct Known {
    oid: i64,
    head: Seq,
    /// The last seq that the log has, and where.
    logged: Seq,
    pos: i64,
    /// Where its row says that the log ends.
    stored_pos: i64,
}

type Objects = HashMap<Key, Known, FxBuildHasher>;

impl Intake<'_, '_> {
    /// Takes in the rows that are not in yet.
    pub(super) fn take_in(mut self, from: u64, rows: Vec<Row>) -> Result<()> {
        let mut done = importing(self.conn)?.ok_or_else(import::not_begun)?.rows;
        let mut objects = Objects::default();
        for row in import::fresh(done, from, rows)? {
            self.row(row, &mut objects)?;
            done += 1;
        }
        let mut set_pos = self.conn.prepare_cached("UPDATE objects SET pos = ?2 WHERE oid = ?1")?;
        let mut moved: Vec<_> = objects.values().filter(|known| known.pos != known.stored_pos).collect();
        moved.sort_unstable_by_key(|known| known.oid);
        for known in moved {
            set_pos.execute((known.oid, known.pos))?;
        }
        let count = self.conn.prepare_cached("UPDATE meta SET value = ? WHERE name = 'imported'");
        count?.execute([done.cast_signed()])?;
        Ok(())
    }

    fn row(&mut self, row: Row, objects: &mut Objects) -> Result<()> {
        match row {
            Row::Object(row) => self.object(*row, objects),
            Row::Change { key, change } => {
                let known = self.known(&key, objects)?;
                import::follows(&key, known.logged, known.head, &change)?;
                let pos = self.next_pos;
                self.next_pos += 1;
                let (number, at) = (change.seq.number().cast_signed(), change.at.as_millis());
                self.sql.insert_change.execute((pos, known.oid, number, known.pos, at, change.json.as_str()))?;
                if change.snapshot.is_some() || change.seq.number().is_multiple_of(MARK_EVERY) {
                    self.sql.set_mark(known.oid, Seq::ZERO, pos, &change)?;
                }
                (known.logged, known.pos) = (change.seq, pos);
                Ok(())
            }
            Row::Alarm { key, alarm } => {
                let oid = self.known(&key, objects)?.oid;
                self.sql.set_alarm(oid, &alarm)
            }
            Row::Received { key, sender, n } => {
                let oid = self.known(&key, objects)?.oid;
                self.sql.set_received(oid, &sender, n)
            }
            Row::Outcome { key, outcome } => {
                let oid = self.known(&key, objects)?.oid;
                self.sql.set_outcome(oid, &outcome)
            }
            Row::Message(message) => self.sql.insert_message(&message),
        }
    }

    /// Inserts an object, and one step of the log for what is not kept of its changes.
    fn object(&mut self, row: ObjectRow, objects: &mut Objects) -> Result<()> {
        let oid = self.next_oid;
        self.next_oid += 1;
        let mut pos = 0;
        if row.floor > Seq::ZERO {
            pos = self.next_pos;
            self.next_pos += 1;
            self.sql.insert_step.execute((pos, oid, 1, row.floor.number().cast_signed(), 0))?;
        }
        self.sql.insert_object.execute((
            oid,
            row.key.namespace().as_str(),
            row.key.kind().as_str(),
            row.key.id(),
            row.key.shard(self.shards).number(),
            row.head.number().cast_signed(),
            row.floor.number().cast_signed(),
            pos,
            row.incarnation.number().cast_signed(),
            row.version,
            row.created_at.as_millis(),
            row.updated_at.as_millis(),
            row.commit_id.cast_signed(),
            row.state.as_ref().map(Json::as_str),
        ))?;
        let (head, floor) = (row.head, row.floor);
        objects.insert(row.key, Known { oid, head, logged: floor, pos, stored_pos: pos });
        Ok(())
    }

    /// The object that a row belongs to.
    fn known<'o>(&self, key: &Key, objects: &'o mut Objects) -> Result<&'o mut Known> {
        if !objects.contains_key(key) {
            objects.insert(key.clone(), self.find(key)?);
        }
        objects.get_mut(key).ok_or_else(|| import::without_object(key).into())
    }

    fn find(&self, key: &Key) -> Result<Known> {
        let mut statement = self.conn.prepare_cached(
            "SELECT o.oid, o.head, o.pos, coalesce(l.seq, 0) FROM objects o LEFT JOIN log l ON l.pos = o.pos
             WHERE o.namespace = ? AND o.kind = ? AND o.id = ?",
        )?;
        let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
        let mut found = statement.query(name)?;
        let Some(row) = found.next()? else {
            return Err(import::without_object(key).into());
        };
        let pos = row.get(2)?;
        Ok(Known { oid: row.get(0)?, head: seq(row, 1)?, logged: seq(row, 3)?, pos, stored_pos: pos })
    }
}
