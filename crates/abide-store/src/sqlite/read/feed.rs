use abide_core::{
    FeedPosition, Shard,
    port::store::{FeedEntry, FeedPage},
};
use rusqlite::Connection;

use super::rows;
use crate::sqlite::{
    fault::Result,
    row::{key, number, seq},
};

/// How many entries one page may pass over in search of one shard's.
const SCAN_MAX: usize = 10_000;

pub(in crate::sqlite) fn feed(
    conn: &Connection,
    shard: Option<Shard>,
    after: FeedPosition,
    limit: usize,
) -> Result<FeedPage> {
    let ends = "SELECT (SELECT value FROM meta WHERE name = 'feed_floor'),
                       (SELECT max(pos) FROM log)";
    let (floor, last): (i64, Option<i64>) =
        conn.prepare_cached(ends)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let position = |pos: i64| FeedPosition::new(pos.unsigned_abs());
    let mut page = FeedPage { next: after.max(position(floor)), floor: position(floor), ..FeedPage::default() };
    let mut statement = conn.prepare_cached(
        "SELECT l.pos, coalesce(l.first, l.seq), l.seq, o.shard, o.namespace, o.kind, o.id
         FROM log l CROSS JOIN objects o ON o.oid = l.oid WHERE l.pos > ? ORDER BY l.pos LIMIT ?",
    )?;
    let after = i64::try_from(page.next.number()).unwrap_or(i64::MAX);
    let scan = if shard.is_some() { SCAN_MAX } else { limit };
    let mut entries = statement.query((after, rows(scan)))?;
    while page.entries.len() < limit
        && let Some(row) = entries.next()?
    {
        page.next = FeedPosition::new(number(row, 0)?);
        let found = Shard::new(row.get(3)?);
        if shard.is_none_or(|shard| shard == found) {
            page.entries.push(FeedEntry {
                position: page.next,
                key: key(row, 4)?,
                shard: found,
                first: seq(row, 1)?,
                last: seq(row, 2)?,
            });
        }
    }
    page.more = page.next < position(last.unwrap_or(floor));
    Ok(page)
}

/// An object knows its last entry for ever, also when the log does not have it any more.
pub(in crate::sqlite) fn heads(conn: &Connection) -> Result<Vec<(Shard, FeedPosition)>> {
    let sql = "SELECT shard, max(pos) FROM objects WHERE pos > 0 GROUP BY shard ORDER BY shard";
    let mut statement = conn.prepare_cached(sql)?;
    let heads =
        statement.query_and_then([], |row| Ok((Shard::new(row.get(0)?), FeedPosition::new(number(row, 1)?))))?;
    heads.collect()
}
