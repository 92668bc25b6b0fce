//! The servers, each in a process of its own.

use std::{path::PathBuf, sync::Arc};

use abide::{
    prelude::*,
    server::{Server as Door, ServerOptions, install_metrics},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State as Shared},
    routing::post,
    serve::ListenerExt,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{bare::Bare, child, durable::warm, kinds::Counter};

/// Which server, over which folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Serve {
    pub(crate) server: Server,
    pub(crate) objects: usize,
    pub(crate) folder: PathBuf,
}

/// A server to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Server {
    /// axum, answering with what it was sent.
    Echo,
    /// axum, and a counter in bare rusqlite with group commit.
    Bare,
    /// Abide's front door; `metered` as `abide serve` has it.
    Abide { metered: bool },
}

impl Serve {
    /// Serves until the parent has had enough.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.server {
            Server::Echo => axum_server(Router::new().route("/v1/objects/{kind}/{id}/{handler}", post(echo))).await,
            Server::Bare => {
                let bare = Bare::open(&self.folder.join("bare.db"), self.objects);
                bare.increment(0).await;
                axum_server(Router::new().route("/v1/objects/{kind}/{id}/{handler}", post(increment)).with_state(bare))
                    .await
            }
            Server::Abide { metered } => self.abide(metered).await,
        }
    }

    async fn abide(self, metered: bool) -> anyhow::Result<()> {
        if metered {
            install_metrics();
        }
        let url = format!("sqlite:{}", self.folder.join("abide.db").display());
        let builder = Abide::open(url).register::<Counter>().configure(|options| options.metered = metered);
        let abide = builder.start().await?;
        warm(&abide, self.objects).await?;
        let door = Door::bind(abide.node().clone(), ServerOptions::on("127.0.0.1:0")).await?;
        child::say(&door.local_addr())?;
        Ok(door.run_until(async { while child::told().await {} }).await?)
    }
}

/// Serves a router as axum's own examples do, with the same socket option as Abide's.
async fn axum_server(router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    child::say(&listener.local_addr()?)?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = async { axum::serve(listener, router).await } => Ok(served?),
        () = async { while child::told().await {} } => Ok(()),
    }
}

async fn echo(body: Bytes) -> Bytes {
    body
}

/// The arguments of `increment`.
#[derive(Deserialize)]
struct Increment {
    amount: i64,
}

async fn increment(
    Shared(bare): Shared<Bare>,
    Path((_, object, _)): Path<(Arc<str>, usize, Arc<str>)>,
    Json(args): Json<Increment>,
) -> Json<serde_json::Value> {
    assert_eq!(args.amount, 1, "the bare counter only knows one");
    let count = bare.increment(object).await;
    Json(json!({"result": count, "seq": count}))
}
