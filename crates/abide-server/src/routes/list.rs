//! `GET /v1/objects/{kind}?prefix=&where=&order=&limit=&cursor=`: the objects of a kind, by id or by a field.

use std::sync::Arc;

use abide_core::{
    Error, Filter, Key, Result,
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
    reads::next_few,
    request::{cursor, path::ObjectPath, query::Query},
    shared::Shared,
};

/// How many objects a page has unless asked.
pub(crate) const USUAL: usize = 100;

/// What a caller wants to see of a kind.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) prefix: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) cursor: Option<String>,
}

/// A page of objects, and where the next one begins.
pub(crate) struct Page {
    pub(crate) objects: Vec<Shown>,
    pub(crate) cursor: Option<String>,
}

/// An object of a list, and whether the caller may see its state.
pub(crate) struct Shown {
    pub(crate) object: Listed,
    pub(crate) state: bool,
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let path = ObjectPath::parse(request.uri().path())?;
    let mut query = Query::parse(request.uri().query())?;
    let wanted = Wanted {
        filter: query.text("where")?,
        order: query.text("order")?,
        cursor: query.text("cursor")?,
        prefix: query.text("prefix")?,
    };
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    let page = page(&shared, &caller, &path.kind, wanted, limit).await?;
    Ok(page.text().respond())
}

impl Page {
    /// The page as it is answered.
    pub(crate) fn text(&self) -> Text {
        let mut objects = Text::list();
        for object in &self.objects {
            objects.item(&whole(object).finish());
        }
        let mut text = Text::object(objects.len() + 100);
        text.bytes("objects", &objects.finish()).value("cursor", &self.cursor).boolean("more", self.cursor.is_some());
        text
    }
}

/// The objects of a kind that a caller may see.
pub(crate) async fn page(shared: &Shared, caller: &Caller, kind: &str, wanted: Wanted, limit: usize) -> Result<Page> {
    let mut ask = read(shared, caller, kind, wanted)?;
    let all = whole_kind(shared, caller, &ask)?;
    let (mut objects, mut bytes) = (Vec::new(), 0);
    let mut more = true;
    while more && objects.len() < limit && bytes < shared.limits.page_bytes {
        ask.limit = next_few(objects.len(), bytes, shared.limits.page_bytes).min(limit - objects.len());
        let page = shared.node.list(ask.clone()).await?;
        more = page.next.is_some();
        bytes += page.objects.iter().map(|object| object.state.as_str().len() + object.id.len() + 160).sum::<usize>();
        objects.extend(
            page.objects.into_iter().map(|object| Shown { state: all || shows(shared, caller, &ask, &object), object }),
        );
        ask.after = page.next;
    }
    let cursor = ask.after.filter(|_| more).map(|after| write_cursor(ask.order.as_ref(), &after));
    Ok(Page { objects, cursor })
}

/// Refuses what the caller may not list. Whether it may see the states of all that it asks for.
///
/// Who may not see a state must not find out by asking which objects have it, or in which order they are.
fn whole_kind(shared: &Shared, caller: &Caller, ask: &ListQuery) -> Result<bool> {
    let (namespace, kind) = (caller.namespace(), Some(ask.kind.as_str()));
    shared.gate.allow(caller, &Ask::list(namespace, kind, &ask.prefix))?;
    if shared.is_session(&ask.kind) {
        return shared.gate.allow_sessions(caller, &ask.kind).map(|()| true);
    }
    let watched = Ask::watch_all(namespace, kind, &ask.prefix);
    if ask.filter.is_some() || ask.order.is_some() {
        return shared.gate.allow(caller, &watched).map(|()| true);
    }
    Ok(shared.gate.decide(caller, &watched).allowed)
}

fn shows(shared: &Shared, caller: &Caller, ask: &ListQuery, object: &Listed) -> bool {
    Key::new(caller.namespace(), &ask.kind, &object.id).is_ok_and(|key| shared.shows(caller, &key))
}

fn read(shared: &Shared, caller: &Caller, kind: &str, wanted: Wanted) -> Result<ListQuery> {
    let filter = wanted.filter.filter(|text| !text.trim().is_empty());
    let filter = filter.map(|text| Filter::parse(&text).map_err(|error| Error::bad_request(error.to_string())));
    let order = wanted.order.filter(|text| !text.is_empty()).map(|text| Order::parse(&text)).transpose()?;
    let after = wanted.cursor.map(|text| read_cursor(order.as_ref(), &text)).transpose()?;
    Ok(ListQuery {
        namespace: caller.namespace().clone(),
        kind: shared.kind(kind)?,
        prefix: wanted.prefix.unwrap_or_default(),
        filter: filter.transpose()?,
        order,
        after,
        limit: 0,
    })
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

fn whole(Shown { object, state }: &Shown) -> Text {
    let mut text = Text::object(object.state.as_str().len() + object.id.len() + 160);
    text.text("id", &object.id).number("seq", object.seq.number());
    if *state {
        text.raw("state", object.state.as_str());
    }
    text.moment("created_at", object.created_at).moment("updated_at", object.updated_at);
    text
}
