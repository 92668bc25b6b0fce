//! The servers, each in a process of its own.

use abide::{
    prelude::*,
    server::{Server, ServerOptions},
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;

use super::grpc;
use crate::{child, kinds::Volatile};

/// Serves until the parent has had enough.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServeFrames {
    pub(crate) speaks: Speaks,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Speaks {
    /// tokio-tungstenite, answering with what it was sent.
    SocketEcho,
    /// tonic, answering with what it was sent.
    GrpcEcho,
    /// Abide's front door.
    Abide,
}

impl ServeFrames {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let told = async { while child::told().await {} };
        if self.speaks == Speaks::Abide {
            let abide = Abide::open("memory:").register::<Volatile>().start().await?;
            let server = Server::bind(abide.node().clone(), ServerOptions::on("127.0.0.1:0")).await?;
            child::say(&server.local_addr())?;
            return Ok(server.run_until(told).await?);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        child::say(&listener.local_addr()?)?;
        tokio::select! {
            ended = async {
                match self.speaks {
                    Speaks::GrpcEcho => grpc::echo(listener).await,
                    Speaks::SocketEcho | Speaks::Abide => socket_echo(listener).await,
                }
            } => ended,
            () = told => Ok(()),
        }
    }
}

async fn socket_echo(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut socket = tokio_tungstenite::accept_async(stream).await?;
            while let Some(message) = socket.next().await {
                let message = message?;
                if message.is_text() {
                    socket.send(message).await?;
                }
            }
            anyhow::Ok(())
        });
    }
}
