use abide_core::{
    ChangeRecord, Incarnation, Json, Key, Namespace, Seq,
    port::store::{ChangesPage, Loaded, READ_BYTES, Room},
};
use rusqlite::{Connection, types::ValueRef};

use crate::sqlite::{
    fault::Result,
    row::{self, alarm, json, number, optional_json, seq, time},
};

/// One statement: the object's row, once for each of its alarms.
pub(in crate::sqlite) fn load(conn: &Connection, key: &Key) -> Result<Option<Loaded>> {
    const ALARM: usize = 8;
    let mut statement = conn.prepare_cached(LOAD)?;
    let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
    let mut rows = statement.query(name)?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mut loaded = Loaded {
        head: seq(row, 0)?,
        floor: seq(row, 1)?,
        incarnation: Incarnation::new(number(row, 2)?),
        version: row.get(3)?,
        created_at: time(row, 4)?,
        updated_at: time(row, 5)?,
        commit_id: number(row, 6)?,
        state: optional_json(row, 7)?,
        alarms: Vec::new(),
    };
    let mut next = Some(row);
    while let Some(row) = next
        && row.get_ref(ALARM)? != ValueRef::Null
    {
        loaded.alarms.push(alarm(row, ALARM)?);
        next = rows.next()?;
    }
    Ok(Some(loaded))
}

const LOAD: &str = "SELECT o.head, o.floor, o.incarnation, o.version, o.created_at, o.updated_at,
      o.commit_id, o.state, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM objects o LEFT JOIN alarms a ON a.oid = o.oid
    WHERE o.namespace = ? AND o.kind = ? AND o.id = ? ORDER BY a.name";

/// Each name costs one look into the index, however many objects have it.
pub(in crate::sqlite) fn namespaces(
    conn: &Connection,
    after: Option<&Namespace>,
    limit: usize,
) -> Result<Vec<Namespace>> {
    let mut next = conn.prepare_cached("SELECT min(namespace) FROM objects WHERE namespace > ?")?;
    let mut found: Vec<Namespace> = Vec::new();
    while found.len() < limit {
        let last = found.last().or(after).map_or("", Namespace::as_str);
        match next.query_row([last], |row| row.get::<_, Option<String>>(0))? {
            Some(name) => found.push(Namespace::new(&name)?),
            None => break,
        }
    }
    Ok(found)
}

pub(in crate::sqlite) fn changes(conn: &Connection, key: &Key, after: Seq, limit: usize) -> Result<ChangesPage> {
    let Some(log) = Log::of(conn, key)? else {
        return Ok(ChangesPage::default());
    };
    let after = after.max(log.floor);
    let changes = log.changes(conn, after, limit)?;
    Ok(ChangesPage { changes, head: log.head, floor: log.floor })
}

pub(in crate::sqlite) fn snapshot(conn: &Connection, key: &Key, at: Seq) -> Result<Option<(Seq, Json)>> {
    let Some(log) = Log::of(conn, key)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(
        "SELECT seq, snapshot FROM marks WHERE oid = ? AND seq <= ? AND seq > ?
         AND snapshot IS NOT NULL ORDER BY seq DESC LIMIT 1",
    )?;
    let mut found = statement.query((log.oid, signed(at), signed(log.floor)))?;
    match found.next()? {
        Some(row) => Ok(Some((seq(row, 0)?, json(row, 1)?))),
        None => Ok(None),
    }
}

fn signed(seq: Seq) -> i64 {
    i64::try_from(seq.number()).unwrap_or(i64::MAX)
}

/// The log of an object: entries that each know the one before.
struct Log {
    oid: i64,
    head: Seq,
    floor: Seq,
    /// Where the last entry is.
    pos: i64,
}

impl Log {
    fn of(conn: &Connection, key: &Key) -> Result<Option<Self>> {
        let mut statement = conn
            .prepare_cached("SELECT oid, head, floor, pos FROM objects WHERE namespace = ? AND kind = ? AND id = ?")?;
        let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
        let mut found = statement.query(name)?;
        let Some(row) = found.next()? else {
            return Ok(None);
        };
        Ok(Some(Self { oid: row.get(0)?, head: seq(row, 1)?, floor: seq(row, 2)?, pos: row.get(3)? }))
    }

    /// The changes after a seq, as many as are in a page. The way leads from the last one back to the first.
    fn changes(&self, conn: &Connection, after: Seq, limit: usize) -> Result<Vec<ChangeRecord>> {
        let mut changes = Vec::new();
        if after >= self.head || limit == 0 {
            return Ok(changes);
        }
        let last = after.plus(limit.min(u32::MAX as usize) as u64).min(self.head);
        let mut entry = conn.prepare_cached("SELECT seq, at, body, prev FROM log WHERE pos = ?")?;
        let (mut pos, mut seq, mut bytes) = (self.find(conn, last)?, last.next(), 0);
        while seq > after.next() {
            let here = pos;
            let mut found = entry.query([pos])?;
            let row = found.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            (seq, pos) = (row::seq(row, 0)?, row.get(3)?);
            if seq <= last {
                let change = row::change(row)?;
                bytes += change.bytes();
                if bytes > READ_BYTES {
                    // The page ends before those that were read, or with this one.
                    drop(changes);
                    return self.first_of(conn, here, after, last);
                }
                changes.push(change);
            }
        }
        changes.reverse();
        Ok(changes)
    }

    /// The first changes after a seq that are in a page, of those up to the entry at a position. What each
    /// of them has is asked before any is read.
    fn first_of(&self, conn: &Connection, mut pos: i64, after: Seq, last: Seq) -> Result<Vec<ChangeRecord>> {
        let mut size = conn.prepare_cached("SELECT seq, octet_length(body), prev FROM log WHERE pos = ?")?;
        let (mut places, mut seq) = (Vec::new(), last.next());
        while seq > after.next() {
            let mut found = size.query([pos])?;
            let row = found.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            seq = row::seq(row, 0)?;
            places.push((pos, usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX)));
            pos = row.get(2)?;
        }
        let mut entry = conn.prepare_cached("SELECT seq, at, body FROM log WHERE pos = ?")?;
        let mut room = Room::of(places.len());
        let first = places.into_iter().rev().take_while(|(_, bytes)| room.takes(*bytes));
        first.map(|(pos, _)| entry.query_row([pos], |row| Ok(row::change(row)))?).collect()
    }

    /// The position of an entry at or a little after `seq`: of the next mark, or the last entry.
    fn find(&self, conn: &Connection, seq: Seq) -> Result<i64> {
        let mark = "SELECT pos FROM marks WHERE oid = ? AND seq >= ? ORDER BY seq LIMIT 1";
        let mut mark = conn.prepare_cached(mark)?;
        let mut found = mark.query((self.oid, signed(seq)))?;
        match found.next()? {
            Some(row) => Ok(row.get(0)?),
            None => Ok(self.pos),
        }
    }
}
