use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

use super::{BaseUrl, Tls};

/// What a request carries.
pub(crate) type Body = Full<Bytes>;

/// One connection to a node: one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    /// What the connection came to; taken by whom it is told.
    task: Option<JoinHandle<hyper::Result<()>>>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(base: &BaseUrl, tls: Option<&Tls>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(base.target()).await?;
        stream.set_nodelay(true)?;
        match tls {
            Some(tls) => Self::over(tls.agree(base.target().0, stream).await?).await,
            None => Self::over(stream).await,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the connection's task ends with the connection")]
    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> std::io::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        Ok(Self { sender, task: Some(tokio::spawn(connection)) })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let error = match self.exchange(request).await {
            Err(error) if error.is_canceled() || error.is_closed() => error,
            answered => return answered,
        };
        // Why the connection ended, where it knows more than that it did.
        match self.task.take() {
            Some(task) => Err(task.await.ok().and_then(Result::err).unwrap_or(error)),
            None => Err(error),
        }
    }

    async fn exchange(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Reads an answer to its end.
    pub(crate) async fn read(response: Response<Incoming>) -> std::io::Result<Bytes> {
        let body = response.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok(body.to_bytes())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
