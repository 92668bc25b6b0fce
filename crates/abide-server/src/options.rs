//! How the front door is set up.

use std::time::Duration;

use abide_node::NodeOptions;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{AuditOptions, AuthOptions, Rates, Rule, TlsOptions};

/// Where a server listens, who may talk to it and how much of everything it takes.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address to listen on, `host:port`. Without `auth` it must be of this machine only.
    pub address: String,
    /// More names that callers may know this server by, for example the name of a proxy in front of it.
    /// `localhost`, `127.0.0.1` and `[::1]` are always known.
    pub hosts: Vec<String>,
    /// Origins whose pages may use this server, for example `https://app.example`; `*`: all of them. Its own
    /// always may.
    pub origins: Vec<String>,
    /// How callers are asked who they are. `None`: nobody is asked, and everybody on this machine may do
    /// everything.
    pub auth: Option<AuthOptions>,
    /// Who may do what; the first rule that matches decides. Without any, whoever is known may do everything
    /// in its own tenant, and the role `admin` look after the node.
    pub access: Vec<Rule>,
    /// What the server shows to prove who it is. `None`: it speaks without TLS.
    pub tls: Option<TlsOptions>,
    /// How much callers may ask.
    pub rates: Rates,
    /// Where administrative acts are written down, besides the log.
    pub audit: Option<AuditOptions>,
    /// How much of everything.
    pub limits: Limits,
    /// What `/metrics` shows. `None`: what [`install_metrics`](crate::install_metrics) collects.
    pub metrics: Option<PrometheusHandle>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:7070".into(),
            hosts: Vec::new(),
            origins: Vec::new(),
            auth: None,
            access: Vec::new(),
            tls: None,
            rates: Rates::default(),
            audit: None,
            limits: Limits::default(),
            metrics: None,
        }
    }
}

impl ServerOptions {
    /// The defaults, listening on `address`.
    pub fn on(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }
}

/// The limits of a server. Beyond each of them a caller gets a problem that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of a request as it is sent, in bytes.
    pub body_bytes: usize,
    /// The longest body of a request once it is decompressed, in bytes.
    pub decompressed_bytes: usize,
    /// How deep the JSON of a body may nest. Not over 127, where decoders stop.
    pub json_depth: usize,
    /// The longest head of a request (line and headers), in bytes; at least 8192.
    pub header_bytes: usize,
    /// How many headers a request may have.
    pub headers: usize,
    /// How many connections are served at a time; more wait to be accepted.
    pub connections: usize,
    /// How many of them may come from one address (IPv4) or network of a subscriber (IPv6, /64), and as many
    /// connections of frames. A quarter as many may be clients that have not said yet who they are. This
    /// machine's own are not counted.
    pub connections_per_address: usize,
    /// How many requests one HTTP/2 connection may have under way.
    pub streams_per_connection: u32,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a connection may be idle, or take to send the head of a request.
    pub keep_alive: Duration,
    /// How long a request that is not a call may take until its answer begins.
    pub request_timeout: Duration,
    /// The longest `Abide-Timeout` that a caller may ask for.
    pub call_timeout: Duration,
    /// How many items one page may have.
    pub page_items: usize,
    /// About how many bytes one page may have: it ends early, and says that there is more.
    pub page_bytes: usize,
    /// How often a stream without news sends a comment, so that nobody takes it for dead.
    pub heartbeat: Duration,
    /// The longest frame that is read, in bytes.
    pub frame_bytes: usize,
    /// How many calls of one connection of frames may wait for their answers.
    pub calls_per_connection: usize,
    /// How many objects one connection of frames may watch.
    pub watches_per_connection: usize,
    /// How long the first frame of a connection may take.
    pub hello_timeout: Duration,
    /// How long a client may take nothing of what it is sent before its connection is cut.
    pub write_timeout: Duration,
    /// How long a client whose connection was lost is waited for, with its session and what is pushed to it.
    pub session_grace: Duration,
    /// How many clients there may be, with those that are waited for; beyond, nobody is waited for.
    pub sessions: usize,
    /// When told to stop: for how long `/readyz` already fails while requests are still taken.
    pub drain_delay: Duration,
    /// When told to stop: how long requests under way may take to finish.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            decompressed_bytes: 4 << 20,
            json_depth: 100,
            header_bytes: 64 << 10,
            headers: 100,
            connections: 16_384,
            connections_per_address: 4096,
            streams_per_connection: 256,
            body_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            request_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(60 * 60),
            page_items: 1000,
            page_bytes: 4 << 20,
            heartbeat: Duration::from_secs(15),
            frame_bytes: 1 << 20,
            calls_per_connection: 256,
            watches_per_connection: 10_000,
            hello_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            session_grace: Duration::from_secs(30),
            sessions: 32_768,
            drain_delay: Duration::ZERO,
            drain_timeout: NodeOptions::default().drain_timeout,
        }
    }
}
