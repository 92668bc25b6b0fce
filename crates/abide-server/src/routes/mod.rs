//! What is where.

mod alarms;
pub(crate) mod call;
mod changes;
mod events;
mod feed;
mod health;
pub(crate) mod inspect;
pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod object;
mod projections;

use std::sync::Arc;

use abide_core::Error;
use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{Caller, Problem, inspector, request::path::ObjectPath, shared::Shared, socket};

/// Every path of the surface. What it does not have is looked for in `others`.
pub(crate) fn router(shared: Arc<Shared>, others: Router) -> Router {
    let others = others.fallback(nothing).method_not_allowed_fallback(wrong_method);
    Router::new()
        .route("/v1/objects/{kind}", get(list::list))
        .route("/v1/objects/{kind}/{id}", get(object::read).delete(object::delete))
        .route("/v1/objects/{kind}/{id}/changes", get(changes::changes).post(call_named))
        .route("/v1/objects/{kind}/{id}/alarms", get(alarms::of_object).post(call_named))
        .route("/v1/objects/{kind}/{id}/{handler}", post(call_named))
        .route("/v1/alarms", get(alarms::of_all))
        .route("/v1/kinds", get(kinds::all))
        .route("/v1/kinds/{kind}", get(kinds::one))
        .route("/v1/feed", get(feed::feed))
        .route("/v1/projections", get(projections::all))
        .route("/v1/projections/{name}/rebuild", post(projections::rebuild))
        .route("/v1/socket", get(socket::open))
        .merge(inspect::routes())
        .merge(inspector::routes())
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(kinds::openapi))
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
        .fallback_service(others)
}

async fn call_named(State(shared): State<Arc<Shared>>, caller: Caller, request: Request) -> Result<Response, Problem> {
    call::call(&shared, &caller, request).await
}

/// A route that is not for everybody takes the caller as an argument: it is there once it is known.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Error::internal("BUG: a route asks for a caller whom nobody asked").into())
    }
}

/// Nothing is there; a path that nearly names an object hears what is wrong with it.
async fn nothing(request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with(crate::request::path::OBJECTS)
        && let Err(error) = ObjectPath::parse(path)
    {
        return Problem::from(error).into_response();
    }
    Problem::no_route(path).into_response()
}

async fn wrong_method(request: Request) -> Problem {
    Problem::wrong_method(request.method().as_str())
}
