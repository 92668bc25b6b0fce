//! Compressed answers, for callers that ask for them.

use std::convert::Infallible;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, Request, header},
    response::Response,
};
use tower::ServiceExt;
use tower_http::compression::{Compression, predicate::SizeAbove};

/// Shorter answers are not worth the work.
const BYTES_MIN: u64 = 1024;

/// What the caller said it can read, if it said so.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ACCEPT_ENCODING).cloned()
}

/// Compresses an answer if that is worth it and the caller can read it. Streams stay as they
/// are: each event has to leave at once.
pub(crate) async fn compress(response: Response, accepted: Option<HeaderValue>) -> Response {
    let Some(accepted) = accepted else {
        return response;
    };
    let short = response.body().size_hint().exact().is_some_and(|bytes| bytes < BYTES_MIN);
    let stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .is_some_and(|media| media.starts_with(b"text/event-stream") || media.starts_with(b"application/grpc"));
    if short || stream {
        return response;
    }
    let mut response = Some(response);
    let answer = tower::service_fn(move |_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let mut request = Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
    match Compression::new(answer).compress_when(SizeAbove::new(0)).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
