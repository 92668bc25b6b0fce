//! The server: bound, run, stopped.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use abide_core::{Error, Result};
use abide_node::Node;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

use crate::{
    ServerOptions, address, connection::Connections, cors, front::Front, gate::Gate, guard::Guard, metrics,
    shared::Shared, signal::Signals, tls::Tls,
};

/// Serves HTTP on `address` until the process is told to stop (Ctrl-C or SIGTERM), then drains the node.
///
/// Told a second time, it stops at once: what was not committed is undone.
///
/// Where it listens is in the log. A program that has set up no log (no `tracing` subscriber) gets that one
/// line on standard error instead, as nobody would know otherwise.
///
/// # Errors
/// Those of [`Server::bind`] and [`Server::run_until`].
pub async fn serve(node: Node, address: &str) -> Result<()> {
    let server = Server::bind(node, ServerOptions::on(address)).await?;
    if !tracing::dispatcher::has_been_set() {
        eprintln!("serving on {}; Ctrl-C stops it", server.url());
    }
    server.run_until_signal().await
}

/// An address that is listened on, before there is a node to answer: whoever connects waits.
///
/// A program that takes its port first changes nothing when the port is taken.
#[must_use = "nobody is answered until there is a node"]
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
    options: ServerOptions,
    gate: Gate,
    cors: Option<CorsLayer>,
    tls: Option<Tls>,
}

impl Door {
    /// Binds to the address of the options. Port 0 takes a free port: see [`Door::local_addr`].
    ///
    /// # Errors
    /// `bad_request` if the address is not one, or is public although nobody is asked who they are; if a file
    /// of keys or an access rule cannot be used; `unavailable` if the address is taken.
    pub async fn bind(options: ServerOptions) -> Result<Self> {
        let (gate, cors) = (Gate::new(&options)?, cors::layer(&options)?);
        let tls = options.tls.as_ref().map(|tls| Tls::new(tls, gate.reloads(), gate.authorities())).transpose()?;
        let listener = address::listen(&options.address, gate.asks()).await?;
        let local_addr = listener
            .local_addr()
            .map_err(|error| Error::unavailable(format!("{} has no local address: {error}", options.address)))?;
        Ok(Self { listener, local_addr, options, gate, cors, tls })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The URL under which callers on this machine reach it.
    pub fn url(&self) -> String {
        url(self.local_addr, self.tls.is_some())
    }

    /// The server that lets callers in to `node`.
    pub fn open(self, node: Node) -> Server {
        Server { door: self, node, others: Router::new() }
    }
}

/// A server that is bound to its address and not running yet.
#[must_use = "a server answers nobody until it runs"]
pub struct Server {
    door: Door,
    node: Node,
    others: Router,
}

impl Server {
    /// Binds to the address of the options, for a node that runs already. Port 0 takes a free port: see
    /// [`Server::local_addr`].
    ///
    /// # Errors
    /// Those of [`Door::bind`]. The node runs on all the same.
    pub async fn bind(node: Node, options: ServerOptions) -> Result<Self> {
        Ok(Door::bind(options).await?.open(node))
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.door.local_addr
    }

    /// The URL under which callers on this machine reach it.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// Adds routes of the program's own, for paths that Abide does not have. Their requests pass the same
    /// checks of host and origin; what they do not answer is a problem as everywhere.
    pub fn extra_routes(mut self, routes: Router) -> Self {
        self.others = self.others.merge(routes);
        self
    }

    /// Serves until `shutdown` is ready or the node stops. Then, in this order: `/readyz` fails; after
    /// `drain_delay` nothing more is accepted and streams end; requests under way finish, for at most
    /// `drain_timeout`; the node shuts down.
    ///
    /// # Errors
    /// `deadline` if the node could not finish everything within its drain timeout.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { door: Door { listener, local_addr, options, gate, cors, tls }, node, others } = self;
        let guard = Guard::new(&options, &gate, local_addr);
        let shared = Arc::new(Shared::new(node.clone(), &options, gate));
        let connections = Connections::new(Arc::new(Front::new(shared.clone(), guard, cors, others)), tls);
        let limits = &options.limits;
        let protected = options.tls.is_some() || local_addr.ip().is_loopback();
        if !protected {
            tracing::warn!(address = %local_addr, "serving other machines without TLS: tokens can be read on their way, unless a proxy with TLS stands in front");
        }
        tracing::info!(address = %local_addr, "serving HTTP");
        shared.gate.record_start(&format!("listening on {local_addr}"));
        {
            let mut accept = std::pin::pin!(connections.accept(&listener));
            let node_stops = node.closing();
            tokio::select! {
                () = accept.as_mut() => {}
                () = shutdown => {}
                () = node_stops.cancelled() => {}
                () = metrics::upkeep(shared.metrics.as_ref()) => {}
            }
            shared.draining.cancel();
            tracing::info!("stopping: finishing what is under way");
            tokio::select! {
                () = accept => {}
                () = tokio::time::sleep(limits.drain_delay) => {}
            }
        }
        drop(listener);
        shared.closing.cancel();
        if !connections.finish(limits.drain_timeout).await {
            tracing::warn!("some requests did not finish in time; their connections were cut");
        }
        shared.tasks.close();
        if tokio::time::timeout(limits.drain_timeout, shared.tasks.wait()).await.is_err() {
            tracing::warn!("some connections of frames did not end in time");
        }
        shared.sessions.end_all(&shared).await;
        shared.gate.finish(limits.drain_timeout).await;
        let drained = node.shutdown().await;
        tracing::info!("stopped");
        drained
    }

    /// Serves until the process is told to stop by Ctrl-C or SIGTERM; told again, stops at once.
    ///
    /// # Errors
    /// Those of [`Server::run_until`], and `unavailable` when the second signal cut it short.
    pub async fn run_until_signal(self) -> Result<()> {
        let mut signals = Signals::new()
            .map_err(|error| Error::unavailable(format!("cannot listen for the signals that stop it: {error}")))?;
        let (told, node) = (CancellationToken::new(), self.node.clone());
        let server = self.run_until(told.clone().cancelled_owned());
        let twice = async {
            signals.next().await;
            told.cancel();
            signals.next().await;
            node.abort();
        };
        tokio::select! {
            ended = server => ended,
            () = twice => Err(Error::unavailable("told to stop twice: stopped at once; what was not committed is undone")),
        }
    }
}

/// An address that is any of this machine's is none that can be called.
fn url(mut address: SocketAddr, tls: bool) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}
