//! `GET /v1/objects/{kind}/{id}/changes`: what happened to an object, as pages or as a stream.

use std::sync::Arc;

use abide_core::{Key, Result, Seq, port::store::ChangesPage};
use axum::{
    Extension,
    extract::{Request, State},
    http::HeaderName,
    response::Response,
};

use super::events;
use crate::{
    Action, Caller, Problem,
    answer::json::Text,
    reads::{Reads, next_few},
    request::{headers, path::ObjectPath, query::Query},
    shared::Shared,
};

/// How many changes a page has unless asked.
const USUAL: usize = 100;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) async fn changes(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Extension(reads): Extension<Reads>,
    request: Request,
) -> Result<Response, Problem> {
    let key = shared.key(&caller, &ObjectPath::parse(request.uri().path())?)?;
    shared.gate.allow_object(&caller, Action::Watch, &key)?;
    let mut query = Query::parse(request.uri().query())?;
    if headers::wants_events(request.headers()) {
        let last = headers::text(request.headers(), &LAST_EVENT_ID)?.filter(|text| !text.is_empty());
        let after = events::after(query.text("after")?.as_deref(), last)?;
        query.finish()?;
        return events::stream(&shared, &caller, &key, after, reads).await;
    }
    let after = query.number("after")?.map(Seq::new);
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    page(&shared, &key, after, limit).await
}

async fn page(shared: &Shared, key: &Key, after: Option<Seq>, limit: usize) -> Result<Response, Problem> {
    let most = shared.limits.page_bytes;
    let mut found = shared.node.changes(key, after.unwrap_or_default(), limit.min(next_few(0, 0, most))).await?;
    if let Some(after) = after.filter(|after| *after < found.floor || *after > found.head) {
        return reset(shared, key, after, &found).await;
    }
    let mut next = after.unwrap_or(found.floor);
    let mut changes = Text::list();
    let mut left = limit;
    loop {
        for change in &found.changes {
            changes.item(change.json.as_str().as_bytes());
            next = change.seq;
        }
        left = left.saturating_sub(found.changes.len());
        let full = left == 0 || changes.len() >= most;
        if full || found.changes.is_empty() || next >= found.head {
            break;
        }
        let few = next_few(limit - left, changes.len(), most);
        let more = shared.node.changes(key, next, left.min(few)).await?;
        if next < more.floor {
            break;
        }
        found = more;
    }
    let mut text = Text::object(changes.len() + 120);
    text.bytes("changes", &changes.finish());
    Ok(ended(text, next, &found).respond())
}

/// The position asked for is not there: the state now, instead of the changes that led to it.
async fn reset(shared: &Shared, key: &Key, after: Seq, found: &ChangesPage) -> Result<Response, Problem> {
    let now = shared.node.snapshot(key).await?;
    let seq = now.as_ref().map_or(found.head, |now| now.seq);
    let mut reset = Text::object(100);
    reset.text("reason", if after > found.head { "ahead" } else { "trimmed" }).number("seq", seq.number());
    reset.raw("state", now.as_ref().map_or("null", |now| now.state.as_str()));
    let mut text = Text::object(reset.len() + 120);
    text.raw("changes", "[]").bytes("reset", &reset.finish());
    let found = ChangesPage { head: found.head.max(seq), ..found.clone() };
    Ok(ended(text, seq, &found).respond())
}

fn ended(mut text: Text, next: Seq, found: &ChangesPage) -> Text {
    text.number("next", next.number())
        .boolean("more", next < found.head)
        .number("head", found.head.number())
        .number("floor", found.floor.number());
    text
}
