use abide_core::{
    FeedPosition, Seq, Shard, StoreError,
    port::store::{FeedEntry, FeedPage},
};
use redis::Value;

use super::{all, many, parts};
use crate::redis::{
    fault::damaged,
    names::{self, EXACT_MAX},
    reply, script,
    writer::Shared,
};

/// How many entries one page has at most.
const PAGE_MAX: usize = 10_000;

pub(in crate::redis) async fn feed(
    shared: &Shared,
    shard: Shard,
    after: FeedPosition,
    limit: usize,
) -> Result<FeedPage, StoreError> {
    let part = shared.names.part_of(shard);
    let mut cmd = script::FEED.call(shared.names.tag(part));
    cmd.arg(shared.names.tag(part)).arg(shard.number());
    cmd.arg(after.number().min(EXACT_MAX)).arg(limit.min(PAGE_MAX));
    let [found] = all(shared, [(shared.names.slot(part), cmd)]).await?;
    let found: Result<[Value; 3], _> = reply::list(found)?.try_into();
    let [last, first, entries] = found.map_err(|_| damaged("a page of the feed is incomplete"))?;
    let position_or = |id: Value, otherwise| match reply::text(id)?.as_str() {
        "" => Ok(otherwise),
        id => position(id),
    };
    let last = position_or(last, FeedPosition::ZERO)?;
    let floor = FeedPosition::new(position_or(first, last.next())?.number() - 1);
    let mut page = FeedPage { next: after.max(floor), floor, ..FeedPage::default() };
    for row in reply::list(entries)? {
        let found = entry(shard, row)?;
        page.next = found.position;
        page.entries.push(found);
    }
    page.more = page.next < last;
    Ok(page)
}

/// Reads `0-12`.
fn position(id: &str) -> Result<FeedPosition, StoreError> {
    let number = id.strip_prefix("0-").and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    number.map(FeedPosition::new).ok_or_else(|| damaged(format!("{id:?} is no position of the feed")))
}

fn entry(shard: Shard, row: Value) -> Result<FeedEntry, StoreError> {
    let found: Result<[Value; 2], _> = reply::list(row)?.try_into();
    let [id, fields] = found.map_err(|_| damaged("an entry of the feed is incomplete"))?;
    let id = reply::text(id)?;
    let fields = reply::hash(fields)?;
    let name = fields.get("k").map_or("", String::as_str);
    let number = |field: &str| fields.get(field).map_or(Ok(0), |text| reply::digits(text));
    Ok(FeedEntry {
        position: position(&id)?,
        key: names::parse_name(name).ok_or_else(|| damaged(format!("{name:?} in the feed is no object")))?,
        shard,
        first: Seq::new(number("a")?),
        last: Seq::new(number("z")?),
    })
}

pub(in crate::redis) async fn heads(shared: &Shared) -> Result<Vec<(Shard, FeedPosition)>, StoreError> {
    let members = |tag: &str| {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(format!("{tag}:feed"));
        cmd
    };
    let mut shards = Vec::new();
    let mut commands = Vec::new();
    for (part, found) in (0..).zip(parts(shared, members).await?) {
        for shard in reply::texts(&found)? {
            let mut last = redis::cmd("XREVRANGE");
            last.arg(format!("{}:f:{shard}", shared.names.tag(part))).arg("+").arg("-").arg("COUNT").arg(1);
            commands.push((shared.names.slot(part), last));
            let number = shard.parse().map_err(|_| damaged(format!("{shard:?} is no shard")))?;
            shards.push(Shard::new(number));
        }
    }
    let mut heads = Vec::new();
    for (shard, found) in shards.into_iter().zip(many(shared, &commands).await?) {
        if let Some(last) = reply::list(found)?.pop() {
            heads.push((shard, entry(shard, last)?.position));
        }
    }
    heads.sort_unstable();
    Ok(heads)
}
