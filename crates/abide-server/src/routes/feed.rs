//! `GET /v1/feed?shard=&after=&limit=`: which object reached which seq, in commit order.

use std::sync::Arc;

use abide_core::{Result, Shard, port::store::FeedEntry, seq::FeedPosition};
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{Action, Ask, Caller, Problem, answer::json::Text, request::query::Query, shared::Shared};

/// How many entries a page has unless asked.
const USUAL: usize = 100;

pub(crate) async fn feed(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let mut query = Query::parse(request.uri().query())?;
    let shard = query.number("shard")?.map(|number| shard(&shared, number)).transpose()?;
    let after = query.number("after")?.map(FeedPosition::new);
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    let page = shared.node.feed(shard, after.unwrap_or_default(), limit).await?;
    let mut entries = Text::list();
    // Tenants never meet, and nobody sees more of their own than rules allow. Positions are of all.
    let shown = |entry: &&FeedEntry| {
        let ask = Ask::object(Action::List, &entry.key);
        *entry.key.namespace() == *caller.namespace()
            && shared.gate.decide(&caller, &ask).allowed
            && (!shared.is_session(entry.key.kind()) || shared.gate.sees_sessions(&caller))
    };
    for entry in page.entries.iter().filter(shown) {
        entries.item(&whole(entry).finish());
    }
    let mut text = Text::object(entries.len() + 120);
    text.bytes("entries", &entries.finish()).number("next", page.next.number()).boolean("more", page.more);
    text.number("floor", page.floor.number());
    // A reader that comes too late has missed something, and must hear it.
    text.boolean("gap", after.is_some_and(|after| after < page.floor));
    Ok(text.respond())
}

fn shard(shared: &Shared, number: u64) -> Result<Shard, Problem> {
    let shards = shared.node.shards();
    let found = u32::try_from(number).ok().filter(|number| *number < shards).map(Shard::new);
    found.ok_or_else(|| Problem::bad_request(format!("the query parameter shard is 0 to {}, not {number}", shards - 1)))
}

fn whole(entry: &FeedEntry) -> Text {
    let mut text = Text::object(entry.key.id().len() + 120);
    text.number("position", entry.position.number())
        .text("kind", entry.key.kind().as_str())
        .text("id", entry.key.id())
        .number("shard", u64::from(entry.shard.number()))
        .number("first", entry.first.number())
        .number("last", entry.last.number());
    text
}
