//! `GET /v1/inspect/graph?kind=&id=&limit=`: who called whom in the last minute, the busiest first.

use std::sync::Arc;

use abide_core::{Key, Result};
use abide_node::Edge;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{Caller, Problem, answer::json::Text, request::query::Query, shared::Shared};

/// How many edges are shown unless asked.
const USUAL: usize = 100;

pub(crate) async fn graph(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    super::admit(&shared, &caller)?;
    let mut query = Query::parse(request.uri().query())?;
    let of = object(&shared, &caller, &mut query)?;
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    let traffic = shared.node.traffic(caller.namespace(), of.as_ref(), limit);
    let mut edges = Text::list();
    for edge in &traffic.edges {
        edges.item(&whole(edge).finish());
    }
    let mut text = Text::object(edges.len() + 160);
    text.bytes("edges", &edges.finish())
        .number("active", traffic.active as u64)
        .number("limit", traffic.limit as u64)
        .number("forgotten", traffic.forgotten)
        .number("window_ms", 60_000);
    Ok(text.respond())
}

/// The object that `kind` and `id` name, if they are there.
pub(super) fn object(shared: &Shared, caller: &Caller, query: &mut Query) -> Result<Option<Key>, Problem> {
    match (query.text("kind")?, query.text("id")?) {
        (None, None) => Ok(None),
        (Some(kind), Some(id)) => Key::new(caller.namespace(), &shared.kind(&kind)?, &id)
            .map(Some)
            .map_err(|error| Problem::bad_request(error.to_string())),
        _ => Err(Problem::bad_request("the query parameters kind and id come together")),
    }
}

fn whole(edge: &Edge) -> Text {
    let mut text = Text::object(200);
    match &edge.from {
        Some(from) => text.bytes("from", &named(from).finish()),
        None => text.raw("from", "null"),
    };
    text.bytes("to", &named(&edge.to).finish())
        .text("way", edge.way.as_str())
        .text("handler", edge.handler)
        .number("per_minute", edge.per_minute)
        .number("idle_ms", u64::try_from(edge.idle.as_millis()).unwrap_or(u64::MAX));
    text
}

fn named(key: &Key) -> Text {
    let mut text = Text::object(60 + key.id().len());
    text.text("kind", key.kind().as_str()).text("id", key.id());
    text
}
