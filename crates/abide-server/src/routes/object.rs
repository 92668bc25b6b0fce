//! One object: its state now or then, and its end.

use std::sync::Arc;

use abide_core::{Code, Error, Json, Key, Seq};
use abide_node::Snapshot;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{
    Action, Caller, Problem,
    answer::json::Text,
    request::{path::ObjectPath, query::Query},
    shared::Shared,
};

/// `GET /v1/objects/{kind}/{id}?at=SEQ`.
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let key = shared.key(&caller, &ObjectPath::parse(request.uri().path())?)?;
    shared.gate.allow_object(&caller, Action::Watch, &key)?;
    let mut query = Query::parse(request.uri().query())?;
    let at = query.number("at")?;
    query.finish()?;
    let found = match at {
        Some(at) => Some(shared.node.state_at(&key, Seq::new(at)).await?),
        None => shared.node.snapshot(&key).await?,
    };
    let found = found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no object {key}")))?;
    Ok(whole(&key, &found).respond())
}

/// An object as it is answered.
pub(crate) fn whole(key: &Key, found: &Snapshot<Json>) -> Text {
    let mut text = Text::object(found.state.as_str().len() + key.id().len() + 200);
    text.text("kind", key.kind().as_str())
        .text("id", key.id())
        .number("seq", found.seq.number())
        .raw("state", found.state.as_str())
        .moment("created_at", found.created_at)
        .moment("updated_at", found.updated_at);
    text
}

/// `DELETE /v1/objects/{kind}/{id}`.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let key = shared.key(&caller, &ObjectPath::parse(request.uri().path())?)?;
    shared.gate.allow_object(&caller, Action::Delete, &key)?;
    Query::parse(request.uri().query())?.finish()?;
    let deleted = shared.node.delete(&key, caller.principal().cloned()).await?;
    let mut text = Text::object(32);
    text.boolean("deleted", deleted);
    Ok(text.respond())
}
