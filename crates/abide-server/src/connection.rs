//! Connections: accepted one by one, up to a limit, each served until it ends or the server does.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use abide_core::{Code, Error};
use axum::http::Version;
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
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits,
    auth::certificate,
    front::Front,
    peer::Peer,
    places::{Held, Places},
    reads::ReadsOfCallers,
    standing::Standing,
    stranger::Stranger,
    tls::{HANDSHAKE_TIMEOUT, Tls},
    under_way::UnderWay,
    wire::{Asked, Wire},
};

/// How often an idle HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long the other side of an HTTP/2 connection that is told to end may take, once nothing is under way.
const LEAVES_IN: Duration = Duration::from_secs(10);

/// A stream of which nothing is taken ends by itself and says why; it has so long to be heard before its HTTP/2
/// connection is cut, as for any answer of which nothing is taken.
const SAYS_WHY_IN: Duration = Duration::from_secs(10);

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
    /// Those of each network.
    of_networks: Arc<Places>,
    tls: Option<Tls>,
}

impl Connections {
    pub(crate) fn new(front: Arc<Front>, tls: Option<Tls>) -> Self {
        let builder = Arc::new(builder(&front.shared.limits));
        let connected = gauge!("abide_clients_connected");
        let of_networks = Places::new(front.shared.limits.connections_per_address);
        Self { front, builder, tasks: TaskTracker::new(), abort: CancellationToken::new(), connected, of_networks, tls }
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
                    let Some(held) = self.of_networks.take(peer.ip()) else {
                        self.front.shared.gate.tell(&too_many(), &peer.ip());
                        continue;
                    };
                    let connection = self.serve(stream, peer.ip(), held);
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

    fn serve(&self, stream: TcpStream, peer: IpAddr, held: Held) -> impl Future<Output = ()> + use<> {
        let mut connection = Connection {
            front: self.front.clone(),
            builder: self.builder.clone(),
            abort: self.abort.clone(),
            peer: Peer {
                address: peer,
                certified: None,
                stranger: Stranger::default(),
                reads: ReadsOfCallers::default(),
            },
            _connected: Connected::new(&self.connected),
            _held: held,
        };
        let tls = self.tls.as_ref().map(Tls::acceptor);
        async move {
            // Answers are small and must not wait for more.
            let _ = stream.set_nodelay(true);
            let Some((tls, authorities)) = tls else {
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
                        let named =
                            named.inspect_err(|why| tracing::info!(%peer, why, "a certificate names nobody")).ok()?;
                        Some(named.signed_by(authorities?))
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
    _held: Held,
}

impl Connection {
    /// Serves it until it ends or the server does.
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { front, builder, abort, peer, _connected, _held } = self;
        let (closing, limits) = (front.shared.closing.clone(), &front.shared.limits);
        let (under_way, asks) = (UnderWay::nothing(), Asked::default());
        let wire = Wire::new(stream, limits.header_bytes, limits.write_timeout, asks.clone(), peer.stranger.clone());
        let service = service_fn(|request| {
            asks.note();
            let begun = match request.version() {
                Version::HTTP_2 => Some(under_way.begin()),
                _ => {
                    under_way.is_left_alone();
                    None
                }
            };
            let (front, peer) = (front.clone(), peer.clone());
            async move {
                let answer = front.answer(request, &peer).await;
                Ok::<_, Infallible>(match begun {
                    Some(begun) => answer.map(|body| begun.until_taken(body)),
                    None => answer,
                })
            }
        });
        let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(wire), service));
        let patience = limits.write_timeout + SAYS_WHY_IN;
        tokio::select! {
            biased;
            ended = connection.as_mut() => return note(ended),
            // It may be a proxy's, and others have nothing to do with that answer: they go on elsewhere.
            () = under_way.stalled(patience) => {}
            // Nobody else looks at it before it has said which version of HTTP it speaks.
            () = under_way.idle(limits.keep_alive) => if !under_way.was_asked() {
                return;
            },
            () = uncertified(&front, &peer) => {}
            () = closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            ended = connection.as_mut() => note(ended),
            () = nobody_takes(&under_way, patience, limits.request_timeout) => note_stalled(&peer),
            () = abort.cancelled() => {}
            () = stays(&under_way) => {}
        }
    }
}

/// Ready when it is not known any more whom a certificate names.
async fn uncertified(front: &Front, peer: &Peer) {
    match &peer.certified {
        Some(caller) => drop(Standing::new(&front.shared, caller).over().await),
        None => std::future::pending().await,
    }
}

/// Ready when nothing of any answer was taken for so long; or nothing of one of them, when the others have had `rest`.
async fn nobody_takes(under_way: &UnderWay, patience: Duration, rest: Duration) {
    loop {
        under_way.stalled(patience).await;
        if timeout(rest, under_way.all_stalled(patience)).await.is_ok() || under_way.is_stalled(patience) {
            return;
        }
    }
}

/// Ready when a connection that is told to end has nothing under way, and is there all the same.
async fn stays(under_way: &UnderWay) {
    sleep(LEAVES_IN).await;
    under_way.idle(LEAVES_IN).await;
}

fn note<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

fn note_stalled(peer: &Peer) {
    tracing::debug!(peer = %peer.address, "a connection was cut: nothing of an answer was taken");
}

/// What is noted of a connection that is not taken: nobody is there yet who could be told.
fn too_many() -> Error {
    Error::new(Code::Overloaded, "this address has all the connections that it may have; the new one was cut")
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

#[cfg(test)]
mod tests {
    use abide::Abide;
    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{ServerOptions, gate::Gate, guard::Guard, shared::Shared};

    /// Nothing in a test takes longer.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn first_bytes(stream: &mut TcpStream) -> Vec<u8> {
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let mut bytes = vec![0; 12];
        match timeout(PATIENCE, stream.read_exact(&mut bytes)).await.expect("it is neither served nor cut") {
            Ok(_) => bytes,
            Err(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_connection_beyond_those_of_its_network_is_cut_and_the_next_is_served_when_one_has_gone() {
        let options = ServerOptions::default();
        let abide = Abide::open("memory:").start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared::new(abide.node().clone(), &options, Gate::new(&options).unwrap());
        let guard = Guard::new(&options, &shared.gate, address);
        let front = Arc::new(Front::new(Arc::new(shared), guard, None, Router::new()));
        let of_networks = Places::beside(1, |_| false);
        let connections = Connections { of_networks, ..Connections::new(front, None) };
        let asks = async {
            let mut first = TcpStream::connect(address).await.unwrap();
            assert_eq!(first_bytes(&mut first).await, b"HTTP/1.1 200");
            let mut second = TcpStream::connect(address).await.unwrap();
            assert_eq!(first_bytes(&mut second).await, b"");
            drop(first);
            let again = async {
                while first_bytes(&mut TcpStream::connect(address).await.unwrap()).await.is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, again).await.expect("the place of one that has gone is not given away");
        };
        tokio::select! {
            () = connections.accept(&listener) => panic!("it does not accept any more"),
            () = asks => {}
        }
    }
}
