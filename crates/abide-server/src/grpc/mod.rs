//! gRPC on the same port: what HTTP and frames do, for programs with generated clients.
//!
//! `proto/abide/v1/abide.proto` is the contract. What was generated from it is committed, and a test proves
//! that it still is what the proto says: nobody who builds this compiles a proto.

mod admin;
mod body;
mod deadline;
mod frames;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "it is generated")]
mod generated;
mod service;
mod status;

use std::sync::Arc;

use abide_core::{Error, Result};
use axum::{
    body::Body,
    http::{HeaderMap, Request, Response, header},
};
use hyper::body::Incoming;
use tonic::{Extensions, service::Routes};
use tower::Service;

use self::{
    admin::NodeAdmin,
    body::Asking,
    generated::{abide_server::AbideServer, admin_server::AdminServer},
    service::Objects,
    status::status,
};
use crate::{Caller, peer::Peer, shared::Shared};

/// The proto, as reflection shows it.
const DESCRIPTORS: &[u8] = include_bytes!("abide.v1.bin");

/// Where the services' methods are.
const OBJECTS: &str = "/abide.v1.Abide/";

/// What opens a connection of frames, whose `hello` says who is there.
const CONNECT: &str = "/abide.v1.Abide/Connect";

/// What callers have to be known for.
const OURS: &str = "/abide.v1.";

/// The longest question that somebody may ask who is not known, or looks after the node, in bytes.
const QUESTION_BYTES_MAX: usize = 64 << 10;

/// The method that watches one object.
const WATCH: &str = "/abide.v1.Abide/Watch";

/// The method that lists objects.
const LIST: &str = "/abide.v1.Abide/List";

/// The gRPC services of a server.
#[derive(Clone)]
pub(crate) struct Grpc {
    shared: Arc<Shared>,
    objects: AbideServer<Objects>,
    /// Administration, health and reflection.
    others: axum::Router,
}

impl Grpc {
    /// All services; health says `NOT_SERVING` from the moment the server is told to stop.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let (reads, writes) = (shared.limits.frame_bytes.saturating_mul(2), usize::MAX);
        let objects = AbideServer::new(Objects::new(shared.clone()))
            .max_decoding_message_size(reads)
            .max_encoding_message_size(writes);
        let admin = AdminServer::new(NodeAdmin::new(shared.clone()))
            .max_decoding_message_size(QUESTION_BYTES_MAX)
            .max_encoding_message_size(writes);
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = Routes::new(admin).add_service(health.max_decoding_message_size(QUESTION_BYTES_MAX));
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure();
            builder.register_encoded_file_descriptor_set(DESCRIPTORS)
        };
        // What is committed and tested can be read.
        if let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
            routes = routes
                .add_service(v1.max_decoding_message_size(QUESTION_BYTES_MAX))
                .add_service(v1alpha.max_decoding_message_size(QUESTION_BYTES_MAX));
        }
        let draining = shared.draining.clone();
        shared.tasks.spawn(async move {
            reporter.set_serving::<AbideServer<Objects>>().await;
            draining.cancelled().await;
            reporter.set_not_serving::<AbideServer<Objects>>().await;
        });
        Self { shared: shared.clone(), objects, others: routes.into_axum_router() }
    }

    /// Answers a request of [`is_grpc`]. Who sends it is known before any of its message is read; a connection of
    /// frames may say it in its first, which is short.
    pub(crate) async fn answer(&self, mut request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        if request.uri().path() == CONNECT {
            let (mut head, body) = request.into_parts();
            let (body, stranger) = Asking::of_stranger(body);
            head.extensions.insert(peer.clone());
            head.extensions.insert(stranger);
            return self.objects(Request::from_parts(head, body)).await;
        }
        let mut turn = None;
        if request.uri().path().starts_with(OURS) {
            match self.shared.gate.identify(request.headers(), peer) {
                Ok(caller) => {
                    match request.uri().path() {
                        // It takes turns by itself, whenever it reads a state.
                        WATCH => drop(request.extensions_mut().insert(peer.reads.of(&caller))),
                        LIST => match peer.reads.of(&caller).turn_soon(&self.shared.limits).await {
                            Ok(its) => turn = Some(its),
                            Err(error) => return status(&error).into_http(),
                        },
                        _ => {}
                    }
                    request.extensions_mut().insert(caller);
                }
                Err(error) => return status(&error).into_http(),
            }
        }
        let time = self.shared.limits.body_timeout;
        let request = request.map(|body| Asking::within(body, time));
        if request.uri().path().starts_with(OBJECTS) {
            let response = self.objects(request).await;
            return match turn {
                Some(turn) => response.map(|body| turn.until_taken(body)),
                None => response,
            };
        }
        match self.others.clone().call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn objects(&self, request: Request<Asking>) -> Response<Body> {
        match self.objects.clone().call(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    }
}

/// Who sent a request: that is known before it is read.
fn caller(extensions: &Extensions) -> Result<&Caller> {
    extensions.get().ok_or_else(|| Error::internal("BUG: a request came from nobody"))
}

/// Whether a request is one of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}
