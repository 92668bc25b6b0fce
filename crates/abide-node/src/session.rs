//! Sessions: objects that belong to connected clients, and what leaves the node for clients.

use std::sync::Arc;

use abide_core::{Error, Json, Key, Namespace, Result, error::Code};
use tokio::sync::oneshot;

use crate::{
    clients::{Client, Recipients},
    effects::Signal,
    hub::{Members, Shower},
    job::{Bare, Purpose},
    node::{Node, NodeCore},
    principal::Principal,
    watch::Broadcast,
};

impl Node {
    /// Gives a client its place: what is pushed to it from here on is kept for it.
    pub fn join_client(&self, id: impl Into<Arc<str>>, namespace: Namespace) -> Client {
        self.core.clients.join(id.into(), namespace)
    }

    /// How many clients have a place.
    pub fn clients(&self) -> usize {
        self.core.clients.len()
    }

    /// Pushes data to clients of a namespace.
    pub fn push(&self, namespace: &Namespace, to: impl Into<Recipients>, data: &Json) {
        self.core.clients.push(namespace, &to.into(), data);
    }

    /// Sends ephemeral data to everyone who watches an object; `from` is the client that sends it.
    ///
    /// # Errors
    /// `too_large` over [`BROADCAST_BYTES_MAX`](crate::BROADCAST_BYTES_MAX). Nothing was sent.
    pub fn broadcast(&self, key: &Key, from: Option<Arc<str>>, data: Json) -> Result<()> {
        self.core.hub.broadcast(key, Broadcast { from, data })
    }

    /// Shows that a client is present beside an object that it watches, or (`None`) no longer. What another
    /// shower of the same client shows is not taken back, nor replaced by one of an earlier connection.
    ///
    /// # Errors
    /// `too_large` if it shows too much, `overloaded` if too many are present, `bad_request` if nobody watches.
    /// Nothing was sent.
    pub fn present(&self, key: &Key, client: &Arc<str>, shower: Shower, data: Option<Json>) -> Result<()> {
        self.core.hub.present(key, client, shower, data)
    }

    /// Who is present beside an object.
    pub fn members(&self, key: &Key) -> Members {
        self.core.hub.members(key)
    }

    /// Creates a session object and runs its `on_connect`, on behalf of the client that has connected.
    ///
    /// # Errors
    /// `bad_request` if the kind is not one of sessions; else what the hook says. There is no object then.
    pub async fn begin_session(&self, key: &Key, principal: Option<Arc<Principal>>) -> Result<()> {
        if !self.core.kinds.find(key.kind())?.options.session {
            let detail = format!("{} is not a kind of sessions; nothing was changed", key.kind());
            return Err(Error::new(Code::BadRequest, detail));
        }
        self.core.session_turn(key, "on_connect", Purpose::Connect, principal).await
    }

    /// Runs a session object's `on_disconnect` and deletes it. If the hook fails, it is deleted all the same.
    ///
    /// # Errors
    /// If it could not be deleted.
    pub async fn end_session(&self, key: &Key, principal: Option<Arc<Principal>>) -> Result<()> {
        match self.core.session_turn(key, "on_disconnect", Purpose::Disconnect, principal.clone()).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(session = %key, %error, "on_disconnect failed; the session is deleted without it");
                self.core.delete(key, principal).await.map(drop)
            }
        }
    }
}

impl NodeCore {
    async fn session_turn(
        self: &Arc<Self>,
        key: &Key,
        name: &'static str,
        purpose: Purpose,
        principal: Option<Arc<Principal>>,
    ) -> Result<()> {
        let kind = self.kinds.find(key.kind())?.clone();
        let (tx, rx) = oneshot::channel();
        let bare = Bare::new(Some(Box::new(move |result| drop(tx.send(result)))));
        let mut envelope = self.bare_envelope(name, purpose, bare);
        envelope.principal = principal;
        envelope.info.sync = false;
        self.submit(key, &kind, envelope, false);
        match rx.await {
            Ok(result) => result.map(drop),
            Err(_) => Err(Error::internal(format!("BUG: {name} was dropped without an answer")).maybe_applied(true)),
        }
    }

    /// Sends what a turn wanted to be sent to clients.
    pub(crate) fn signal(&self, key: &Key, signals: Vec<Signal>) {
        for signal in signals {
            match signal {
                Signal::Broadcast(data) => {
                    if let Err(error) = self.hub.broadcast(key, Broadcast { from: None, data }) {
                        tracing::error!(object = %key, %error, "BUG: a turn was let through with it");
                    }
                }
                Signal::Push(to, data) => self.clients.push(key.namespace(), &to, &data),
            }
        }
    }
}
