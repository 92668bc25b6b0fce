use abide_core::Timestamp;

use super::{connect::SharedConn, fault::Result};

/// How many shards one call looks at for entries of the log that are not needed any more.
const SHARDS_AT_ONCE: u32 = 64;

/// What to clean.
#[derive(Clone, Copy)]
pub(super) struct Clean {
    pub(super) now: Timestamp,
    pub(super) limit: usize,
    /// How many entries of the feed each shard keeps.
    pub(super) keep: u64,
    /// The shard to go on with.
    pub(super) from: u32,
}

/// Removes expired outcomes first, then entries of the log that nobody can ask for any more: beyond
/// the part that the feed keeps, and at or below their object's floor. Each statement is a transaction.
pub(super) async fn clean(conn: SharedConn, what: Clean) -> Result<u64> {
    let limit = i64::try_from(what.limit).unwrap_or(i64::MAX);
    let removed = conn.execute(OUTCOMES, &[&what.now.as_millis(), &limit]).await?;
    let left = limit.saturating_sub_unsigned(removed);
    if left <= 0 {
        return Ok(removed);
    }
    // The last entry of a shard always stays: it says where the feed goes on.
    let keep = i64::try_from(what.keep.max(1)).unwrap_or(i64::MAX);
    let (from, to) = (i64::from(what.from), i64::from(what.from + SHARDS_AT_ONCE));
    conn.execute(FLOORS, &[&from, &to, &keep]).await?;
    Ok(removed + conn.execute(LOG, &[&from, &to, &left]).await?)
}

/// The shard to go on with after this one.
pub(super) fn next(from: u32, shards: u32) -> u32 {
    let next = from + SHARDS_AT_ONCE;
    if next < shards { next } else { 0 }
}

const OUTCOMES: &str = "
    DELETE FROM outcomes WHERE (oid, caller, call_key) IN (
      SELECT oid, caller, call_key FROM outcomes WHERE expires_at <= $1::bigint ORDER BY expires_at LIMIT $2::bigint)";

const FLOORS: &str = "
    UPDATE shards s SET feed_floor = d.floor FROM (
      SELECT s.shard, l.pos - $3::bigint AS floor FROM shards s,
      LATERAL (SELECT pos FROM log WHERE log.shard = s.shard ORDER BY pos DESC LIMIT 1) l
      WHERE s.shard >= $1::bigint AND s.shard < $2::bigint
    ) d
    WHERE s.shard = d.shard AND s.feed_floor < d.floor";

const LOG: &str = "
    DELETE FROM log WHERE (shard, pos) IN (
      SELECT l.shard, l.pos FROM shards s JOIN log l ON l.shard = s.shard AND l.pos <= s.feed_floor
      JOIN objects o ON o.oid = l.oid
      WHERE s.shard >= $1::bigint AND s.shard < $2::bigint AND l.seq <= o.floor LIMIT $3::bigint)";
