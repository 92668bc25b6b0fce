//! Connections: accepted one by one, up to a limit, each served until it ends or the server does.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use metrics::{Gauge, gauge};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits,
    auth::certificate,
    front::Front,
    peer::Peer,
    stranger::Stranger,
    tls::{HANDSHAKE_TIMEOUT, Tls},
    wire::{Asked, Wire},
};

/// How often an idle HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long to wait after a failure to accept, for example when there are no more file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The connections of a server.
pub(crate) struct Connections {
    front: Arc<Front>,
    builder: Arc<Builder<TokioExecutor>>,
    tasks: TaskTracker,
    /// Cancelled to end connections at once.
    abort: CancellationToken,
    connected: Gauge,
    tls: Option<Tls>,
}

impl Connections {
    pub(crate) fn new(front: Arc<Front>, tls: Option<Tls>) -> Self {
        let builder = Arc::new(builder(&front.shared.limits));
        let connected = gauge!("abide_clients_connected");
        Self { front, builder, tasks: TaskTracker::new(), abort: CancellationToken::new(), connected, tls }
    }

    /// Accepts connections for ever.
    pub(crate) async fn accept(&self, listener: &TcpListener) {
        let places = Arc::new(Semaphore::new(self.front.shared.limits.connections));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = self.serve(stream, peer.ip());
                    self.tasks.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    /// Waits until every connection has finished what it was doing; after `patience` they are cut.
    /// Whether all finished by themselves.
    pub(crate) async fn finish(&self, patience: Duration) -> bool {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_ok() {
            return true;
        }
        self.abort.cancel();
        self.tasks.wait().await;
        false
    }

    fn serve(&self, stream: TcpStream, peer: IpAddr) -> impl Future<Output = ()> + use<> {
        let mut connection = Connection {
            front: self.front.clone(),
            builder: self.builder.clone(),
            abort: self.abort.clone(),
            peer: Peer { address: peer, certified: None, stranger: Stranger::default() },
            _connected: Connected::new(&self.connected),
        };
        let tls = self.tls.as_ref().map(Tls::acceptor);
        async move {
            // Answers are small and must not wait for more.
            let _ = stream.set_nodelay(true);
            let Some(tls) = tls else {
                return connection.run(stream).await;
            };
            let closing = connection.front.shared.closing.clone();
            let agreed = tokio::select! {
                agreed = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => agreed,
                () = closing.cancelled() => return,
            };
            match agreed {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    connection.peer.certified = shown.and_then(|shown| {
                        let named = certificate::caller(shown);
                        named.inspect_err(|why| tracing::info!(%peer, why, "a certificate names nobody")).ok()
                    });
                    connection.run(stream).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a caller could not agree on TLS"),
                Err(_) => tracing::debug!(%peer, "a caller took too long to agree on TLS"),
            }
        }
    }
}

/// One connection, and what it needs of the server.
struct Connection {
    front: Arc<Front>,
    builder: Arc<Builder<TokioExecutor>>,
    abort: CancellationToken,
    peer: Peer,
    _connected: Connected,
}

impl Connection {
    /// Serves it until it ends or the server does.
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { front, builder, abort, peer, _connected } = self;
        let (closing, patience) = (front.shared.closing.clone(), front.shared.limits.keep_alive);
        let (asked, asks) = (AtomicBool::new(false), Asked::default());
        let limits = &front.shared.limits;
        let wire = Wire::new(stream, limits.header_bytes, limits.write_timeout, asks.clone(), peer.stranger.clone());
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            asks.note();
            let (front, peer) = (front.clone(), peer.clone());
            async move { Ok::<_, Infallible>(front.answer(request, &peer).await) }
        });
        let silent = silent(&asked, patience);
        let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(wire), service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = silent => Ok(()),
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = abort.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended");
        }
    }
}

/// Ready when a connection has not asked for anything in its time: nobody else looks at it before it has
/// said which version of HTTP it speaks.
async fn silent(asked: &AtomicBool, patience: Duration) {
    tokio::time::sleep(patience).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Failures that say nothing about the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that is counted as long as it is there.
pub(crate) struct Connected(Gauge);

impl Connected {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
