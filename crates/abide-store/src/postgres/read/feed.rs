use abide_core::{
    FeedPosition, Shard,
    port::store::{FeedEntry, FeedPage},
};

use super::{rows, signed};
use crate::postgres::{
    connect::SharedConn,
    fault::Result,
    row::{key, number, seq},
};

pub(in crate::postgres) async fn feed(
    conn: SharedConn,
    shard: Shard,
    after: FeedPosition,
    limit: usize,
) -> Result<FeedPage> {
    let values = (i64::from(shard.number()), signed(after.number()), rows(limit));
    let found = conn.query(FEED, &[&values.0, &values.1, &values.2]).await?;
    let Some(first) = found.first() else {
        return Ok(FeedPage { next: after, ..FeedPage::default() });
    };
    let (floor, last) = (FeedPosition::new(number(first, 0)?), FeedPosition::new(number(first, 1)?));
    let mut page = FeedPage { next: after.max(floor), floor, ..FeedPage::default() };
    for row in &found {
        if row.try_get::<_, Option<i64>>(2)?.is_none() {
            continue;
        }
        page.next = FeedPosition::new(number(row, 2)?);
        let entry =
            FeedEntry { position: page.next, key: key(row, 5)?, shard, first: seq(row, 3)?, last: seq(row, 4)? };
        page.entries.push(entry);
    }
    page.more = page.next < last;
    Ok(page)
}

pub(in crate::postgres) async fn heads(conn: SharedConn) -> Result<Vec<(Shard, FeedPosition)>> {
    let rows = conn.query(HEADS, &[]).await?;
    let head =
        |row| Ok((Shard::new(u32::try_from(number(row, 0)?).unwrap_or(u32::MAX)), FeedPosition::new(number(row, 1)?)));
    rows.iter().map(head).collect()
}

const FEED: &str = "
    SELECT s.feed_floor, coalesce((SELECT max(pos) FROM log WHERE log.shard = s.shard), 0),
           l.pos, l.first, l.seq, l.namespace, l.kind, l.id
    FROM shards s LEFT JOIN LATERAL (
      SELECT log.pos, coalesce(log.first, log.seq) AS first, log.seq, o.namespace, o.kind, o.id
      FROM log JOIN objects o ON o.oid = log.oid
      WHERE log.shard = s.shard AND log.pos > greatest($2::bigint, s.feed_floor)
      ORDER BY log.pos LIMIT $3::bigint
    ) l ON true
    WHERE s.shard = $1::bigint ORDER BY l.pos";

const HEADS: &str = "
    SELECT s.shard, l.pos FROM shards s,
    LATERAL (SELECT pos FROM log WHERE log.shard = s.shard ORDER BY pos DESC LIMIT 1) l ORDER BY s.shard";
