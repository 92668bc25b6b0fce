//! `GET /v1/objects/{kind}?prefix=&where=&order=&limit=&cursor=`: the objects of a kind, by id or by a field.

use std::sync::Arc;

use abide_core::{
    Error, Filter, Result,
    port::store::{ListCursor, ListQuery, Listed, Order},
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::Value;

use crate::{
    Ask, Caller, Problem,
    answer::json::Text,
    request::{cursor, path::ObjectPath, query::Query},
    shared::Shared,
};

/// How many objects a page has unless asked.
const USUAL: usize = 100;

/// How many objects are read from the store at once: each may be large.
const AT_ONCE: usize = 64;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (mut ask, limit) = read(&shared, &caller, &request)?;
    shared.gate.allow(&caller, &Ask::list(caller.namespace(), Some(ask.kind.as_str()), &ask.prefix))?;
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
    let cursor = ask.after.filter(|_| more).map(|after| write_cursor(ask.order.as_ref(), &after));
    let mut text = Text::object(objects.len() + 100);
    text.bytes("objects", &objects.finish()).value("cursor", &cursor).boolean("more", cursor.is_some());
    Ok(text.respond())
}

fn read(shared: &Shared, caller: &Caller, request: &Request) -> Result<(ListQuery, usize), Problem> {
    let path = ObjectPath::parse(request.uri().path())?;
    let mut query = Query::parse(request.uri().query())?;
    let filter = match query.text("where")?.filter(|text| !text.trim().is_empty()) {
        Some(text) => Some(Filter::parse(&text).map_err(|error| Problem::bad_request(error.to_string()))?),
        None => None,
    };
    let order = query.text("order")?.filter(|text| !text.is_empty());
    let order = order.map(|text| Order::parse(&text)).transpose()?;
    let after = query.text("cursor")?.map(|text| read_cursor(order.as_ref(), &text)).transpose()?;
    let ask = ListQuery {
        namespace: caller.namespace().clone(),
        kind: shared.kind(&path.kind)?,
        prefix: query.text("prefix")?.unwrap_or_default(),
        filter,
        order,
        after,
        limit: 0,
    };
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    Ok((ask, limit))
}

/// A cursor of a list in an order names the order: it means nothing to another list.
fn write_cursor(order: Option<&Order>, after: &ListCursor) -> String {
    match order {
        Some(order) => cursor::write(&(&after.id, after.ordered(), order.to_string())),
        None => cursor::write(&(&after.id,)),
    }
}

fn read_cursor(order: Option<&Order>, text: &str) -> Result<ListCursor> {
    let Some(order) = order else {
        return cursor::read::<(String,)>(text).map(|(id,)| ListCursor::after_id(id));
    };
    let (id, value, of) = cursor::read::<(String, Value, String)>(text)?;
    if of != order.to_string() {
        let detail = format!("the cursor is of a list in the order {of}, not {order}: begin anew without it");
        return Err(Error::bad_request(detail));
    }
    Ok(ListCursor::after_value(id, &value))
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
