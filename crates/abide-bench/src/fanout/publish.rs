//! A server whose object is watched over HTTP, in a process of its own.

use std::{path::PathBuf, time::Duration};

use abide::{
    prelude::*,
    server::{Server, ServerOptions},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use tokio::{net::TcpListener, sync::broadcast};

use super::{Publisher, now_ns};
use crate::{
    bare::{Bare, change},
    child,
    kinds::Counter,
    stored::url,
};

/// A publisher, and how often it is to publish once it is told to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Publish {
    pub(crate) publisher: Publisher,
    pub(crate) times: usize,
    pub(crate) every: Duration,
    pub(crate) folder: PathBuf,
}

impl Publish {
    /// Serves; when told, calls so many times and says when each call was made.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.publisher {
            Publisher::Bare => self.bare().await,
            Publisher::Abide => self.abide().await,
        }
    }

    async fn abide(self) -> anyhow::Result<()> {
        let abide = Abide::open(url(&self.folder.join("abide.db"))).register::<Counter>().start().await?;
        let counter = abide.object::<Counter>("1");
        counter.increment(1).await?;
        let server = Server::bind(abide.node().clone(), ServerOptions::on("127.0.0.1:0")).await?;
        child::say(&server.local_addr())?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.run_until(async {
            let _ = stopped.await;
        }));
        let calls = async || Ok(counter.increment(1).reply().await?.seq.number());
        self.publish(calls).await?;
        drop(stop);
        Ok(serving.await??)
    }

    async fn bare(self) -> anyhow::Result<()> {
        let store = Bare::open(&self.folder.join("bare.db"), 1);
        let (events, _) = broadcast::channel::<Bytes>(256);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        child::say(&listener.local_addr()?)?;
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let path = "/v1/objects/{kind}/{id}/changes";
        let router = Router::new().route(path, get(stream)).with_state(events.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        let calls = async || {
            let seq = store.increment(0).await;
            let text = format!("event: change\nid: {seq}\ndata: {}\n\n", change(seq));
            events.send(text.into())?;
            Ok(u64::try_from(seq)?)
        };
        self.publish(calls).await
    }

    async fn publish(&self, call: impl AsyncFn() -> anyhow::Result<u64>) -> anyhow::Result<()> {
        if !child::told().await {
            return Ok(());
        }
        let mut calls = Vec::new();
        for _ in 0..self.times {
            tokio::time::sleep(self.every).await;
            let at = now_ns();
            calls.push((call().await?, at));
        }
        child::say(&calls)?;
        while child::told().await {}
        Ok(())
    }
}

async fn stream(Shared(events): Shared<broadcast::Sender<Bytes>>) -> Response {
    let events = futures_util::stream::unfold(events.subscribe(), |mut events| async move {
        let bytes = events.recv().await.ok()?;
        Some((Ok::<_, std::convert::Infallible>(bytes), events))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}
