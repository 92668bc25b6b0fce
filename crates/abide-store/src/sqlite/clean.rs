use abide_core::Timestamp;
use rusqlite::Connection;

use super::fault::Result;

/// Removes expired outcomes first, then feed entries beyond what is kept. Runs in a transaction.
pub(super) fn clean(conn: &Connection, now: Timestamp, limit: usize, keep: u64) -> Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let outcomes = conn.prepare_cached(
        "DELETE FROM outcomes WHERE (oid, caller, call_key) IN (SELECT oid, caller, call_key
         FROM outcomes WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
    )?;
    let removed = { outcomes }.execute((now.as_millis(), limit))?;
    let removed = i64::try_from(removed).unwrap_or(i64::MAX);
    let feed = clean_feed(conn, limit - removed, keep)?;
    Ok((removed + feed).unsigned_abs())
}

/// Positions are dense, so that their difference counts entries.
fn clean_feed(conn: &Connection, limit: i64, keep: u64) -> Result<i64> {
    let bounds = "SELECT min(pos), max(pos) FROM feed";
    let bounds = conn.query_row(bounds, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = bounds else {
        return Ok(0);
    };
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let beyond = (last - first + 1).saturating_sub(keep).clamp(0, limit);
    if beyond > 0 {
        let floor = first + beyond - 1;
        conn.execute("DELETE FROM feed WHERE pos <= ?", [floor])?;
        conn.execute(
            "UPDATE meta SET value = ? WHERE name = 'feed_floor'",
            [floor],
        )?;
    }
    Ok(beyond)
}
