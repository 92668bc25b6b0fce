use abide_core::{
    FeedPosition, Seq, Shard, StoreError,
    port::store::{FeedEntry, FeedPage},
};
use redis::Value;

use super::{all, parts};
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
    let last = FeedPosition::new(reply::number(last)?);
    let floor = match reply::text(first)?.as_str() {
        "" => last,
        first => FeedPosition::new(position(first)?.number() - 1),
    };
    let mut page = FeedPage { next: after.max(floor), floor, ..FeedPage::default() };
    for row in reply::list(entries)? {
        let found = entry(shard, row)?;
        page.next = found.position;
        page.entries.push(found);
    }
    page.more = page.next < last;
    Ok(page)
}

/// Reads `12-0`.
fn position(id: &str) -> Result<FeedPosition, StoreError> {
    let number = id.split_once('-').and_then(|(number, _)| number.parse().ok()).filter(|number| *number > 0);
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
    let command = |tag: &str| {
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(format!("{tag}:feed"));
        cmd
    };
    let mut heads = Vec::new();
    for found in parts(shared, command).await? {
        for (shard, last) in reply::hash(found)? {
            let shard = u32::try_from(reply::digits(&shard)?).map_err(|_| damaged("a shard's number is too large"))?;
            heads.push((Shard::new(shard), FeedPosition::new(reply::digits(&last)?)));
        }
    }
    heads.sort_unstable();
    Ok(heads)
}
