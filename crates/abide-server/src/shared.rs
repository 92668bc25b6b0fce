//! What every request needs of the server.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use abide_core::{Code, Error, Key, Kind, Result};
use abide_node::{KindDescription, Node};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Action, Ask, Caller, Limits, ServerOptions,
    gate::Gate,
    link::foreign_session,
    openapi,
    places::{Held, Places},
    request::path::ObjectPath,
    routes::{inspect::node::LastCount, kinds},
    session::Sessions,
};

/// Of the connections of frames that an address may have, one in so many may be a stranger's.
const STRANGERS: usize = 4;

/// What a connection of frames holds as long as it lasts.
pub(crate) type Place = (OwnedSemaphorePermit, Held);

/// The node, the limits, and what is worked out once.
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) metrics: Option<PrometheusHandle>,
    /// Cancelled when the server is told to stop: it is not ready any more.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the server takes no more requests: streams end.
    pub(crate) closing: CancellationToken,
    /// What runs beside requests: connections of frames, and clients that may come back.
    pub(crate) tasks: TaskTracker,
    /// How many connections of frames there may be.
    sockets: Arc<Semaphore>,
    /// Those of each network.
    sockets_of: Arc<Places>,
    /// Those of each network of whom it is not known yet who they are.
    strangers_of: Arc<Places>,
    pub(crate) sessions: Sessions,
    pub(crate) descriptions: Vec<KindDescription>,
    pub(crate) kinds_json: Bytes,
    pub(crate) openapi_json: Bytes,
    pub(crate) last_count: LastCount,
    kinds: FxHashMap<String, Kind>,
    session_kinds: FxHashSet<Kind>,
}

impl Shared {
    pub(crate) fn new(node: Node, options: &ServerOptions, gate: Gate) -> Self {
        let descriptions = node.kinds();
        Self {
            limits: options.limits.clone(),
            gate,
            metrics: options.metrics.clone().or_else(crate::metrics::installed),
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sockets: Arc::new(Semaphore::new(options.limits.connections.min(Semaphore::MAX_PERMITS))),
            sockets_of: Places::new(options.limits.connections_per_address),
            strangers_of: Places::new(options.limits.connections_per_address.div_ceil(STRANGERS)),
            sessions: Sessions::new(options.limits.connections_per_address),
            kinds_json: kinds::json(&descriptions).into(),
            openapi_json: openapi::document(&descriptions).to_string().into(),
            session_kinds: descriptions
                .iter()
                .filter(|kind| kind.options.session)
                .map(|kind| kind.kind.clone())
                .collect(),
            last_count: LastCount::default(),
            kinds: descriptions.iter().map(|kind| (kind.kind.to_string(), kind.kind.clone())).collect(),
            descriptions,
            node,
        }
    }

    /// The kind of this name. A name that the node does not know is refused when it is used.
    pub(crate) fn kind(&self, name: &str) -> Result<Kind> {
        match self.kinds.get(name) {
            Some(kind) => Ok(kind.clone()),
            None => Ok(Kind::new(name)?),
        }
    }

    /// A place for one more connection of frames, and one among the strangers until it is known who is there.
    ///
    /// # Errors
    /// `overloaded` if there is none.
    pub(crate) fn place(&self, address: IpAddr) -> Result<(Place, Held)> {
        let full = |whose: &str, most: usize| {
            let detail = format!("{whose} has {most} connections of frames already; try again later");
            Error::new(Code::Overloaded, detail)
        };
        let most = self.limits.connections_per_address;
        let of_address = self.sockets_of.take(address).ok_or_else(|| full("this address", most))?;
        let stranger = self.strangers_of.take(address).ok_or_else(|| {
            let detail = "too many connections of this address have not said `hello` yet; try again later";
            Error::new(Code::Overloaded, detail)
        })?;
        let place = self.sockets.clone().try_acquire_owned();
        let place = place.map_err(|_| full("this server", self.limits.connections))?;
        Ok(((place, of_address), stranger))
    }

    /// Whether the objects of this kind belong to connected clients.
    pub(crate) fn is_session(&self, kind: &Kind) -> bool {
        self.session_kinds.contains(kind)
    }

    /// Whether a caller may see the state of an object that it has come upon in a list.
    pub(crate) fn shows(&self, caller: &Caller, key: &Key) -> bool {
        match self.is_session(key.kind()) {
            true => self.gate.sees_sessions(caller),
            false => self.gate.decide(caller, &Ask::object(Action::Watch, key)).allowed,
        }
    }

    /// The object that a path names, in the tenant in which the caller acts.
    pub(crate) fn key(&self, caller: &Caller, path: &ObjectPath<'_>) -> Result<Key> {
        let id = path.id.as_ref().map(Cow::as_ref).unwrap_or_default();
        let key = Key::new(caller.namespace(), &self.kind(&path.kind)?, id)
            .map_err(|error| Error::bad_request(format!("{error}; nothing was changed")))?;
        // A request belongs to no connection, so no session can be its own.
        if self.is_session(key.kind()) { Err(foreign_session(&key)) } else { Ok(key) }
    }
}
