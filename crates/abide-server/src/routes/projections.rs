//! The projections of the node, for administrators.

use std::sync::Arc;

use abide_node::ProjectionStatus;
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{
    Ask, Caller, Problem,
    answer::json::Text,
    request::{percent, query::Query},
    shared::Shared,
};

/// `GET /v1/projections`.
pub(crate) async fn all(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    shared.gate.allow(&caller, &Ask::admin(caller.namespace()))?;
    Query::parse(request.uri().query())?.finish()?;
    let mut list = Text::list();
    for status in shared.node.projections().list() {
        list.item(&whole(&status).finish());
    }
    let mut text = Text::object(list.len() + 40);
    text.bytes("projections", &list.finish());
    Ok(text.respond())
}

/// `POST /v1/projections/{name}/rebuild`: how it is when the rebuild has been asked for.
pub(crate) async fn rebuild(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let path = request.uri().path().trim_start_matches("/v1/projections/").trim_end_matches("/rebuild");
    let name = percent::decode(path, percent::Plus::Plus);
    shared.gate.allow_act(&caller, "rebuild", name.as_deref().unwrap_or(path))?;
    Query::parse(request.uri().query())?.finish()?;
    let name =
        name.map_err(|error| Problem::bad_request(format!("the projection in the path {error}; nothing was changed")))?;
    let projections = shared.node.projections();
    projections.rebuild(&name)?;
    tracing::info!(projection = %name, "a rebuild was asked for");
    Ok(whole(&projections.get(&name)?).respond())
}

fn whole(status: &ProjectionStatus) -> Text {
    let mut text = Text::object(240);
    text.text("name", status.name)
        .value("kinds", &status.kinds)
        .text("state", status.state.as_str())
        .number("build", status.build)
        .value("lag_seconds", &status.lag.as_secs_f64())
        .number("items", status.items)
        .number("batches", status.batches)
        .number("failures", status.failures)
        .value("error", &status.error);
    text
}
