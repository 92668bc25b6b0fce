//! gRPC on the same port: what HTTP and frames do, for programs with generated clients.
//!
//! `proto/abide/v1/abide.proto` is the contract. What was generated from it is committed, and a test proves
//! that it still is what the proto says: nobody who builds this compiles a proto.

mod admin;
mod deadline;
mod frames;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "it is generated")]
mod generated;
mod service;
mod status;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, Request, Response, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tonic::service::Routes;
use tower::Service;

use self::{
    admin::NodeAdmin,
    generated::{abide_server::AbideServer, admin_server::AdminServer},
    service::Objects,
};
use crate::shared::Shared;

/// The proto, as reflection shows it.
const DESCRIPTORS: &[u8] = include_bytes!("abide.v1.bin");

/// Where the services' methods are.
const OBJECTS: &str = "/abide.v1.Abide/";

/// The gRPC services of a server.
#[derive(Clone)]
pub(crate) struct Grpc {
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
        let admin = AdminServer::new(NodeAdmin::new(shared.clone())).max_encoding_message_size(writes);
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = Routes::new(admin).add_service(health);
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure();
            builder.register_encoded_file_descriptor_set(DESCRIPTORS)
        };
        // What is committed and tested can be read.
        if let (Ok(v1), Ok(v1alpha)) = (reflection().build_v1(), reflection().build_v1alpha()) {
            routes = routes.add_service(v1).add_service(v1alpha);
        }
        let draining = shared.draining.clone();
        shared.tasks.spawn(async move {
            reporter.set_serving::<AbideServer<Objects>>().await;
            draining.cancelled().await;
            reporter.set_not_serving::<AbideServer<Objects>>().await;
        });
        Self { objects, others: routes.into_axum_router() }
    }

    /// Answers a request of [`is_grpc`].
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        // What comes after the message has no say in who sends it: tonic would take it for a part of the head.
        let request = request
            .map(|body| body.map_frame(|frame| if frame.is_trailers() { Frame::data(Bytes::new()) } else { frame }));
        let answered = if request.uri().path().starts_with(OBJECTS) {
            self.objects.clone().call(request).await.map(|response| response.map(Body::new))
        } else {
            self.others.clone().call(request.map(Body::new)).await
        };
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Whether a request is one of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}
