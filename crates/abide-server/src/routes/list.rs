//! `GET /v1/objects/{kind}?prefix=&where=&limit=&cursor=`: the objects of a kind, by id.

use std::sync::Arc;

use abide_core::{
    Filter, Result,
    port::store::{ListCursor, ListQuery, Listed},
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{
    Problem,
    answer::json::Text,
    request::{cursor, path::ObjectPath, query::Query},
    shared::Shared,
};

/// How many objects a page has unless asked.
const USUAL: usize = 100;

/// How many objects are read from the store at once: each may be large.
const AT_ONCE: usize = 64;

pub(crate) async fn list(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let (mut ask, limit) = read(&shared, &request)?;
    let mut objects = Text::list();
    let mut left = limit;
    let mut more = true;
    while more && left > 0 && objects.len() < shared.limits.page_bytes {
        ask.limit = left.min(AT_ONCE);
        let page = shared.node.list(ask.clone()).await?;
        more = page.next.is_some();
        left = left.saturating_sub(page.objects.len());
        for object in &page.objects {
            objects.item(&whole(object).finish());
        }
        ask.after = page.next;
    }
    let cursor = ask.after.filter(|_| more).map(|after| cursor::write(&(after.id,)));
    let mut text = Text::object(objects.len() + 100);
    text.bytes("objects", &objects.finish()).value("cursor", &cursor).boolean("more", cursor.is_some());
    Ok(text.respond())
}

fn read(shared: &Shared, request: &Request) -> Result<(ListQuery, usize), Problem> {
    let path = ObjectPath::parse(request.uri().path())?;
    let mut query = Query::parse(request.uri().query())?;
    let filter = match query.text("where")?.filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(Filter::parse(&text).map_err(|error| Problem::bad_request(error.to_string()))?),
        None => None,
    };
    let after = query.text("cursor")?.map(|text| cursor::read::<(String,)>(&text)).transpose()?;
    let ask = ListQuery {
        namespace: shared.namespace.clone(),
        kind: shared.kind(&path.kind)?,
        prefix: query.text("prefix")?.unwrap_or_default(),
        filter,
        order: None,
        after: after.map(|(id,)| ListCursor::after_id(id)),
        limit: 0,
    };
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    Ok((ask, limit))
}

fn whole(object: &Listed) -> Text {
    let mut text = Text::object(object.state.as_str().len() + object.id.len() + 160);
    text.text("id", &object.id)
        .number("seq", object.seq.number())
        .raw("state", object.state.as_str())
        .moment("created_at", object.created_at)
        .moment("updated_at", object.updated_at);
    text
}
