//! gRPC as bytes, so that a client can send what no library would.

use std::convert::Infallible;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Request},
};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;

use crate::{
    tokens::Issuer,
    world::{PATIENCE, World},
};

/// A `CallRequest` without arguments.
pub(crate) fn call(kind: &str, id: &str, handler: &str) -> Vec<u8> {
    let field =
        |(tag, text): (u8, &str)| [&[tag << 3 | 2, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    (1..).zip([kind, id, handler]).flat_map(field).collect()
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).unwrap();
    pairs.iter().map(|(key, value)| (name(key), HeaderValue::from_str(value).unwrap())).collect()
}

/// The `grpc-status` of a call.
pub(crate) async fn grpc(
    world: &World,
    method: &str,
    headers: &[(&str, &str)],
    message: &[u8],
    trailers: &[(&str, &str)],
) -> String {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let framed = [&[0][..], &length, message].concat();
    let mut frames = vec![Ok::<_, Infallible>(Frame::data(Bytes::from(framed)))];
    if !trailers.is_empty() {
        frames.push(Ok(Frame::trailers(map(trailers))));
    }
    let mut request = Request::post(world.url(method)).body(StreamBody::new(stream::iter(frames))).unwrap();
    *request.headers_mut() = map(headers);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = timeout(PATIENCE, client.request(request)).await.expect("no answer in time").unwrap();
    let head = response.headers().get("grpc-status").cloned();
    let body = timeout(PATIENCE, response.into_body().collect()).await.expect("no end in time").unwrap();
    let status = head.or_else(|| body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned());
    status.expect("there is no status").to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_comes_after_a_message_has_no_say_in_who_sends_it() {
    let issuer = Issuer::new();
    let world = World::plan().server(|server| server.auth = Some(issuer.auth())).start().await;
    let bearer = format!("Bearer {}", issuer.token("alice", &[]));
    let alice = [("authorization", bearer.as_str())];
    let message = call("Counter", "a", "get");
    assert_eq!(grpc(&world, "/abide.v1.Abide/Call", &alice, &message, &[]).await, "0");
    assert_eq!(grpc(&world, "/abide.v1.Abide/Call", &[], &message, &[]).await, "16", "unauthenticated");
    assert_eq!(grpc(&world, "/abide.v1.Abide/Call", &[], &message, &alice).await, "16", "unauthenticated");
    let elsewhere = [("abide-namespace", "acme")];
    assert_eq!(grpc(&world, "/abide.v1.Abide/Call", &alice, &message, &elsewhere).await, "0", "it is not asked for");
}

#[tokio::test]
async fn health_and_reflection_are_for_anybody_and_the_rest_is_not() {
    let issuer = Issuer::new();
    let world = World::plan().server(|server| server.auth = Some(issuer.auth())).start().await;
    assert_eq!(grpc(&world, "/grpc.health.v1.Health/Check", &[], &[], &[]).await, "0");
    let list = [0x3a, 0];
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(grpc(&world, reflection, &[], &list, &[]).await, "0");
    for method in ["Abide/Call", "Abide/Watch", "Abide/List", "Admin/Status", "Admin/Kinds"] {
        assert_eq!(grpc(&world, &format!("/abide.v1.{method}"), &[], &[], &[]).await, "16", "{method}");
    }
}
