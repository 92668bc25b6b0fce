//! The front door of Abide: HTTP, WebSocket, gRPC, server-sent events, OpenAPI, health and metrics.
//!
//! [`serve`] is all that most programs need. [`Server`] is the same in steps: bind, add routes of your
//! own, run until told to stop. `docs/http.md` describes what callers see.
//!
//! The way of a request, by module: `connection` → `wire` → `guard` (whose page sent it?) → `front` → `gate`
//! (who is it: `auth`) → `routes` → `gate` (may they: `access`) → the node → `answer`. A call takes a short cut past the router: it is the path that has to be fast.

mod access;
mod address;
mod answer;
mod audit;
mod auth;
mod connection;
mod cors;
mod front;
mod gate;
mod grpc;
mod guard;
mod inspector;
mod link;
mod metrics;
mod openapi;
mod options;
mod peer;
mod places;
mod rate;
mod reads;
mod request;
mod routes;
mod server;
mod session;
mod shared;
mod signal;
mod socket;
mod standing;
mod stranger;
mod streams;
mod tls;
mod under_way;
mod watched;
mod wire;

pub use access::{Access, Action, Ask, Decision, Ids, InvalidRule, Reason, Rule};
pub use answer::problem::Problem;
pub use audit::AuditOptions;
pub use auth::{Anonymous, ApiKey, ApiKeys, AuthOptions, Caller, JwtOptions, Means};
pub use gate::Gate;
pub use metrics::install_metrics;
pub use metrics_exporter_prometheus::PrometheusHandle;
pub use options::{Limits, ServerOptions};
pub use rate::{InvalidRate, Rate, Rates};
pub use server::{Door, Server, serve};
pub use tls::{ClientCertificates, TlsOptions};

/// The parsers that face a client, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    pub use crate::{auth::fuzz::*, link::script::converse, request::fuzz::*};
}
