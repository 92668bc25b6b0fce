//! What the inspector looks at: who calls whom, one object in memory, the node, all changes as they happen.
//!
//! All of it is for administrators, where callers are asked who they are.

mod changes;
mod graph;
pub(crate) mod node;

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::{Ask, Caller, Problem, shared::Shared};

/// The routes under `/v1/inspect`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/inspect/graph", get(graph::graph))
        .route("/v1/inspect/node", get(node::node))
        .route("/v1/inspect/store", get(node::store))
        .route("/v1/inspect/activity", get(node::activity))
        .route("/v1/inspect/changes", get(changes::changes))
}

/// Refuses those who do not look after the node.
fn admit(shared: &Shared, caller: &Caller) -> Result<(), Problem> {
    Ok(shared.gate.allow(caller, &Ask::admin(caller.namespace()))?)
}
