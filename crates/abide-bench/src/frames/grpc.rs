//! Unary calls by tonic's own client, and a tonic server that answers with what it was sent.

use std::{
    convert::Infallible,
    future::Ready,
    net::SocketAddr,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use axum::http::uri::PathAndQuery;
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{NamedService, UnaryService},
    transport::{Channel, Server},
};
use tonic_prost::ProstCodec;

use crate::load::{Latency, Measured};

const PATH: &str = "/abide.v1.Abide/Call";

/// How many connections the calls share.
const CHANNELS: usize = 4;

/// `CallRequest` of the proto.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Call {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(string, tag = "3")]
    handler: String,
    #[prost(string, tag = "4")]
    args: String,
}

/// `CallReply` of the proto.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reply {
    #[prost(string, tag = "1")]
    result: String,
    #[prost(uint64, tag = "2")]
    seq: u64,
}

/// Answers with what it was sent.
#[derive(Clone)]
struct Echo;

impl UnaryService<Call> for Echo {
    type Response = Reply;
    type Future = Ready<Result<Response<Reply>, Status>>;

    fn call(&mut self, request: Request<Call>) -> Self::Future {
        std::future::ready(Ok(Response::new(Reply { result: request.into_inner().args, seq: 1 })))
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "abide.v1.Abide";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Reply, Call>::default());
            Ok(grpc.unary(Echo, request).await)
        })
    }
}

pub(super) async fn echo(listener: TcpListener) -> anyhow::Result<()> {
    let incoming = futures_util::stream::unfold(listener, |listener| async move {
        let stream = listener.accept().await.map(|(stream, _)| stream);
        if let Ok(stream) = &stream {
            let _ = stream.set_nodelay(true);
        }
        Some((stream, listener))
    });
    Ok(Server::builder().add_service(Echo).serve_with_incoming(incoming.boxed()).await?)
}

/// Calls, so many at a time, from one thread of its own.
pub(super) fn unary(address: SocketAddr, callers: usize, time: Duration) -> anyhow::Result<Measured> {
    let called = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut channels = Vec::new();
            for _ in 0..CHANNELS {
                channels.push(Channel::from_shared(format!("http://{address}"))?.connect().await?);
            }
            let start = Instant::now();
            let task = |caller: usize| tokio::spawn(call(channels[caller % CHANNELS].clone(), caller, start + time));
            let tasks: Vec<_> = (0..callers).map(task).collect();
            let mut latency = Latency::new();
            for task in tasks {
                latency.add(&task.await??);
            }
            anyhow::Ok(latency.over(start.elapsed()))
        })
    });
    called.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
}

async fn call(channel: Channel, caller: usize, stop: Instant) -> anyhow::Result<Latency> {
    let mut grpc = tonic::client::Grpc::new(channel);
    let call = Call {
        kind: "Volatile".into(),
        id: caller.to_string(),
        handler: "increment".into(),
        args: r#"{"amount":1}"#.into(),
    };
    let mut latency = Latency::new();
    let mut before = Instant::now();
    while before < stop {
        grpc.ready().await?;
        let codec = ProstCodec::<Call, Reply>::default();
        grpc.unary(Request::new(call.clone()), PathAndQuery::from_static(PATH), codec).await?;
        let after = Instant::now();
        latency.note(after - before);
        before = after;
    }
    Ok(latency)
}
