//! From a request to its answer.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::{Layer, Service, service_fn};
use tower_http::cors::CorsLayer;
use tracing::Instrument;

use crate::{
    Caller, Problem,
    answer::compress::{accepted, compress},
    grpc::{Grpc, is_grpc},
    guard::Guard,
    peer::Peer,
    reads::late,
    request::{headers, path::OBJECTS, trace},
    routes,
    shared::Shared,
};

/// Where WebSocket connections begin.
const SOCKET: &str = "/v1/socket";

/// Answers requests.
pub(crate) struct Front {
    pub(crate) shared: Arc<Shared>,
    guard: Guard,
    grpc: Grpc,
    cors: Option<CorsLayer>,
    router: Router,
}

impl Front {
    pub(crate) fn new(shared: Arc<Shared>, guard: Guard, cors: Option<CorsLayer>, others: Router) -> Self {
        let grpc = Grpc::new(&shared);
        Self { router: routes::router(shared.clone(), others), grpc, guard, cors, shared }
    }

    /// Answers one request that came from there. Whatever happens, there is an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Response {
        let gate = &self.shared.gate;
        let guarded = self.guard.check(&request).inspect_err(|error| gate.tell(error, &peer.address));
        if let Err(error) = guarded.and_then(|()| gate.arrive(peer.address)) {
            return Problem::from(error).into_response();
        }
        let mut response = match &self.cors {
            Some(cors) if request.headers().contains_key(header::ORIGIN) => {
                let inner = service_fn(|request| self.respond(request, peer).map(Ok::<_, Infallible>));
                match cors.layer(inner).call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            _ => self.respond(request, peer).await,
        };
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn respond(&self, request: Request<Incoming>, peer: &Peer) -> Response {
        let accepted = accepted(request.headers());
        let response = match trace::span(request.method().as_str(), request.uri().path(), request.headers()) {
            None => self.safely(request, peer).await,
            Some(span) => self.safely(request, peer).instrument(span).await,
        };
        compress(response, accepted).await
    }

    async fn safely(&self, request: Request<Incoming>, peer: &Peer) -> Response {
        AssertUnwindSafe(self.dispatch(request, peer)).catch_unwind().await.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            let error = abide_core::Error::internal(format!("BUG: a route panicked: {message}")).maybe_applied(true);
            Problem::from(error).into_response()
        })
    }

    async fn dispatch(&self, mut request: Request<Incoming>, peer: &Peer) -> Response {
        if is_grpc(request.headers()) {
            return self.grpc.answer(request, peer).await;
        }
        if asks_who(request.uri().path()) {
            match self.shared.gate.identify(request.headers(), peer) {
                Ok(caller) if is_call(&request) => {
                    return routes::call::call(&self.shared, &caller, request).await.into_response();
                }
                Ok(caller) => return self.answer_known(request, caller, peer).await,
                Err(error) => return Problem::from(error).into_response(),
            }
        }
        if request.uri().path() == SOCKET {
            request.extensions_mut().insert(peer.clone());
        }
        self.route(request).await
    }

    /// Answers whoever is known. What may be much waits for its turn, and has it until it is taken.
    async fn answer_known(&self, mut request: Request<Incoming>, caller: Caller, peer: &Peer) -> Response {
        let mut turn = None;
        if reads_objects(&request) {
            let reads = peer.reads.of(&caller);
            // Streams of changes take turns by themselves, whenever they read a state.
            if !streams(&request) {
                match reads.turn_soon(&self.shared.limits).await {
                    Ok(its) => turn = Some(its),
                    Err(error) => return Problem::from(error).into_response(),
                }
            }
            request.extensions_mut().insert(reads);
        }
        request.extensions_mut().insert(caller);
        let response = self.route(request).await;
        match turn {
            Some(turn) => response.map(|body| turn.until_taken(body)),
            None => response,
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Response {
        let limit = self.shared.limits.request_timeout;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match timeout(limit, self.router.clone().call(request.map(Body::new))).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => Problem::from(late(limit, !reads)).into_response(),
        }
    }
}

/// Whether callers of this path have to be known. Whether the process is there may be asked by anybody; a
/// socket's caller is known by its first frame; paths of the program's own are for the program to guard.
fn asks_who(path: &str) -> bool {
    (path.starts_with("/v1/") && path != SOCKET) || matches!(path, "/metrics" | "/openapi.json")
}

/// Whether this reads a list, a state or changes, which may have megabytes.
fn reads_objects(request: &Request<Incoming>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path().starts_with(OBJECTS)
}

/// Whether this is a stream of changes.
fn streams(request: &Request<Incoming>) -> bool {
    is_changes(request.uri().path()) && headers::wants_events(request.headers())
}

/// Whether this is a call. Calls have deadlines of their own and need no router.
fn is_call(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST && has_three_parts(request.uri().path())
}

/// Whether these are the changes of an object.
fn is_changes(path: &str) -> bool {
    has_three_parts(path) && path.ends_with("/changes")
}

/// Whether it is a kind, an id and something else.
fn has_three_parts(path: &str) -> bool {
    let parts = |path: &str| path.bytes().filter(|byte| *byte == b'/').count() == 2;
    path.strip_prefix(OBJECTS).is_some_and(parts)
}
