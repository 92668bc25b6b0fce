use abide_core::Timestamp;
use rusqlite::Connection;

use super::fault::Result;

/// Removes expired outcomes first, then entries of the log that nobody can ask for any more: beyond
/// the part that the feed keeps, and at or below their object's floor. Runs in a transaction.
pub(super) fn clean(conn: &Connection, now: Timestamp, limit: usize, keep: u64) -> Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut outcomes = conn.prepare_cached(
        "DELETE FROM outcomes WHERE (oid, caller, call_key) IN (SELECT oid, caller, call_key
         FROM outcomes WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
    )?;
    let removed = outcomes.execute((now.as_millis(), limit))?;
    let removed = i64::try_from(removed).unwrap_or(i64::MAX);
    let entries = clean_log(conn, limit - removed, keep)?;
    Ok((removed + entries).unsigned_abs())
}

/// Goes on where it stopped the last time, looks at `limit` entries, and starts over at the end:
/// what was needed then may be dead now.
fn clean_log(conn: &Connection, limit: i64, keep: u64) -> Result<i64> {
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let last = number("SELECT coalesce(max(pos), 0) FROM log")?;
    let floor = last.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX));
    if floor <= 0 || limit <= 0 {
        return Ok(0);
    }
    let floor = floor.max(number("SELECT value FROM meta WHERE name = 'feed_floor'")?);
    set(conn, "feed_floor", floor)?;
    let from = number("SELECT value FROM meta WHERE name = 'cleaned'")?;
    let to = "SELECT max(pos) FROM (SELECT pos FROM log WHERE pos > ? AND pos <= ? LIMIT ?)";
    let to: Option<i64> = conn.query_row(to, (from, floor, limit), |row| row.get(0))?;
    let Some(to) = to else {
        set(conn, "cleaned", 0)?;
        return Ok(0);
    };
    set(conn, "cleaned", to)?;
    let mut dead = conn.prepare_cached(
        "DELETE FROM log WHERE pos IN (SELECT l.pos FROM log l JOIN objects o USING (oid)
         WHERE l.pos > ? AND l.pos <= ? AND l.seq <= o.floor)",
    )?;
    Ok(i64::try_from(dead.execute((from, to))?).unwrap_or(i64::MAX))
}

fn set(conn: &Connection, name: &str, value: i64) -> Result<()> {
    let sql = "UPDATE meta SET value = ?2 WHERE name = ?1 AND value != ?2";
    conn.prepare_cached(sql)?.execute((name, value))?;
    Ok(())
}
