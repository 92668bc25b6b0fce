//! Connections: accepted one by one, up to a limit, each served until it ends or the server does.

use std::{
    convert::Infallible,
    io,
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
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits,
    front::Front,
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
}

impl Connections {
    pub(crate) fn new(front: Arc<Front>) -> Self {
        let builder = Arc::new(builder(&front.shared.limits));
        let connected = gauge!("abide_clients_connected");
        Self { front, builder, tasks: TaskTracker::new(), abort: CancellationToken::new(), connected }
    }

    /// Accepts connections for ever.
    pub(crate) async fn accept(&self, listener: &TcpListener) {
        let places = Arc::new(Semaphore::new(self.front.shared.limits.connections));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = self.serve(stream);
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

    fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + use<> {
        let (front, builder) = (self.front.clone(), self.builder.clone());
        let (abort, connected) = (self.abort.clone(), Connected::new(&self.connected));
        let (closing, patience) = (front.shared.closing.clone(), front.shared.limits.keep_alive);
        async move {
            let _connected = connected;
            // Answers are small and must not wait for more.
            let _ = stream.set_nodelay(true);
            let (asked, asks) = (AtomicBool::new(false), Asked::default());
            let wire = Wire::new(stream, front.shared.limits.header_bytes, asks.clone());
            let service = service_fn(|request| {
                asked.store(true, Ordering::Relaxed);
                asks.note();
                let front = front.clone();
                async move { Ok::<_, Infallible>(front.answer(request).await) }
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
