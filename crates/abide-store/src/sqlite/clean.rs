use abide_core::Timestamp;
use rusqlite::Connection;

use super::fault::Result;

/// How many entries of the log are looked at for each one that was written since. So what nobody needs any more stays in
/// proportion to what is needed, however much is written.
const LOOKS_FOR_EACH: i64 = 2;

/// Removes what nobody can ask for any more.
pub(super) struct Cleaner {
    /// How many entries of the feed stay.
    keep: i64,
    /// The last position of the log when it was cleaned the last time.
    last: Option<i64>,
    /// How many entries are to be looked at for what was written since.
    owed: i64,
}

impl Cleaner {
    pub(super) fn new(keep: u64) -> Self {
        Self { keep: i64::try_from(keep).unwrap_or(i64::MAX), last: None, owed: 0 }
    }

    /// Removes expired outcomes first, then entries of the log: beyond the part that the feed keeps, and at or
    /// below their object's floor. Runs in a transaction. Gives how many it removed, or `limit` if it is behind.
    pub(super) fn clean(&mut self, conn: &Connection, now: Timestamp, limit: usize) -> Result<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut outcomes = conn.prepare_cached(
            "DELETE FROM outcomes WHERE (oid, caller, call_key) IN (SELECT oid, caller, call_key
             FROM outcomes WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        )?;
        let removed = outcomes.execute((now.as_millis(), limit))?;
        let removed = i64::try_from(removed).unwrap_or(i64::MAX);
        let removed = removed + self.log(conn, limit - removed)?;
        Ok(if self.owed > 0 { limit } else { removed }.unsigned_abs())
    }

    /// Goes on where it stopped the last time, looks at `limit` entries, and goes round: what was needed then may be
    /// dead now.
    fn log(&mut self, conn: &Connection, limit: i64) -> Result<i64> {
        let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
        let last = number("SELECT coalesce(max(pos), 0) FROM log")?;
        let written = last - self.last.replace(last).unwrap_or(last);
        let floor = last.saturating_sub(self.keep);
        self.owed = written.saturating_mul(LOOKS_FOR_EACH).saturating_add(self.owed).clamp(0, floor.max(0));
        if floor <= 0 || limit <= 0 {
            return Ok(0);
        }
        let floor = floor.max(number("SELECT value FROM meta WHERE name = 'feed_floor'")?);
        set(conn, "feed_floor", floor)?;
        let start = number("SELECT value FROM meta WHERE name = 'cleaned'")?;
        let (mut left, mut removed) = (limit, 0);
        for (from, to) in [(start, floor), (0, start.min(floor))] {
            let (looked, end) = look(conn, from, to, left)?;
            removed += drop_dead(conn, from, end)?;
            left -= looked;
            set(conn, "cleaned", end)?;
            if left <= 0 {
                break;
            }
        }
        // All that there is was looked at, or as many as there are to be.
        self.owed = if left > 0 { 0 } else { (self.owed - limit).max(0) };
        Ok(removed)
    }
}

/// How many entries there are after `from` and up to `to`, `limit` at most, and where the last of them is.
fn look(conn: &Connection, from: i64, to: i64, limit: i64) -> Result<(i64, i64)> {
    let sql = "SELECT count(*), coalesce(max(pos), ?2) FROM
               (SELECT pos FROM log WHERE pos > ?1 AND pos <= ?2 ORDER BY pos LIMIT ?3)";
    Ok(conn.prepare_cached(sql)?.query_row((from, to, limit), |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn drop_dead(conn: &Connection, from: i64, to: i64) -> Result<i64> {
    let sql = "DELETE FROM log WHERE pos IN (SELECT l.pos FROM log l JOIN objects o USING (oid)
               WHERE l.pos > ? AND l.pos <= ? AND l.seq <= o.floor)";
    Ok(i64::try_from(conn.prepare_cached(sql)?.execute((from, to))?).unwrap_or(i64::MAX))
}

fn set(conn: &Connection, name: &str, value: i64) -> Result<()> {
    let sql = "UPDATE meta SET value = ?2 WHERE name = ?1 AND value != ?2";
    conn.prepare_cached(sql)?.execute((name, value))?;
    Ok(())
}
