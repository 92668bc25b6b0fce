//! Clients that are connected, and those that may come back in a moment.
//!
//! A client has an id, which others may see, and a token, which nobody else may: whoever has it can go on as
//! that client. The token is good once, for the grace time after the connection is lost, and void after `bye`.

mod token;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use abide_core::{Code, Error, Key, Result, frame::Hello};
use abide_node::{Client, Pushes};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::token::{Secret, Token};
use crate::{
    link::Who,
    places::{Held, Places},
    shared::Shared,
};

/// How many sessions end at the same time when the server stops.
const ENDS_TOGETHER: usize = 64;

/// All clients of a server.
pub(crate) struct Sessions {
    all: Mutex<FxHashMap<Arc<str>, Entry>>,
    /// Those of each network that are waited for.
    away_of: Arc<Places>,
    /// Numbers the connections.
    connections: AtomicU64,
}

/// What is known of a client.
pub(crate) struct Entry {
    secret: Secret,
    who: Who,
    client: Arc<Client>,
    session: Option<Key>,
    /// The connection it is on, or was on last.
    connection: u64,
    /// Cancelled when it comes back on another connection; `None` while it is away.
    replaced: Option<CancellationToken>,
    /// Its place among those of its network that are waited for, while it is away.
    away: Option<Held>,
}

/// One connection of a client.
pub(crate) struct Visit {
    pub(crate) client: Arc<Client>,
    pub(crate) session: Option<Key>,
    pub(crate) resumed: bool,
    /// How many pushes it has lost, and the number of the last one that it has.
    pub(crate) missed: u64,
    pub(crate) pushed: u64,
    /// What it needs to come back.
    pub(crate) token: String,
    pub(crate) replaced: CancellationToken,
    /// What is pushed to it, as this connection hears it.
    pub(crate) pushes: Pushes,
    /// Tells this connection from all others.
    pub(crate) connection: u64,
    /// Where it comes from.
    address: IpAddr,
}

impl Sessions {
    /// No clients; so many of one network are waited for at a time.
    pub(crate) fn new(away_of_network: usize) -> Self {
        Self { all: Mutex::default(), away_of: Places::new(away_of_network), connections: AtomicU64::new(0) }
    }

    /// Lets a client in: as the one it was, if its token says so, or as a new one.
    ///
    /// # Errors
    /// `denied` if the token is another's, or the caller may not have the session it asks for; what
    /// `on_connect` says. The client is not let in then.
    pub(crate) async fn enter(&self, shared: &Arc<Shared>, who: &Who, hello: &Hello, address: IpAddr) -> Result<Visit> {
        if let Some(token) = &hello.resume
            && let Some(visit) =
                self.resume(who, token, hello.pushed, address).inspect_err(|error| who.told(shared, error))?
        {
            return Ok(visit);
        }
        self.begin(shared, who, hello, address).await
    }

    /// The client whose token this is, if it is still waited for.
    fn resume(&self, who: &Who, token: &str, pushed: Option<u64>, address: IpAddr) -> Result<Option<Visit>> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let mut all = self.all.lock();
        let Some(entry) = all.get_mut(token.client).filter(|entry| entry.secret.is(token.secret)) else {
            return Ok(None);
        };
        if !entry.who.is(who) {
            return Err(Error::new(Code::Denied, "the resume token is another caller's; connect without it"));
        }
        if let Some(replaced) = entry.replaced.take() {
            replaced.cancel();
        }
        let visit = self.visit(entry, true, address);
        let last = visit.client.last_push();
        let pushed = pushed.unwrap_or(0).min(last);
        let missed = visit.client.pushed(pushed).missed;
        Ok(Some(Visit { missed, pushed: pushed + missed, ..visit }))
    }

    async fn begin(&self, shared: &Arc<Shared>, who: &Who, hello: &Hello, address: IpAddr) -> Result<Visit> {
        let id: Arc<str> = ulid::Ulid::generate().to_string().into();
        let client = Arc::new(shared.node.join_client(id.clone(), who.namespace().clone()));
        let session = match &hello.session {
            None => None,
            Some(kind) => {
                let key = who.key(&shared.kind(kind.as_str())?, &id)?;
                who.may_begin(shared, &key)?;
                shared.node.begin_session(&key, who.principal().cloned()).await?;
                Some(key)
            }
        };
        let mut entry = Entry {
            secret: Secret::new(),
            who: who.clone(),
            client,
            session,
            connection: 0,
            replaced: None,
            away: None,
        };
        let visit = self.visit(&mut entry, false, address);
        self.all.lock().insert(id, entry);
        Ok(visit)
    }

    /// A new connection of a client, with a new secret.
    fn visit(&self, entry: &mut Entry, resumed: bool, address: IpAddr) -> Visit {
        let replaced = CancellationToken::new();
        entry.secret = Secret::new();
        entry.connection = self.connections.fetch_add(1, Ordering::Relaxed);
        entry.replaced = Some(replaced.clone());
        entry.away = None;
        Visit {
            client: entry.client.clone(),
            session: entry.session.clone(),
            resumed,
            missed: 0,
            pushed: 0,
            token: entry.secret.token(entry.client.id()),
            replaced,
            pushes: entry.client.pushes(),
            connection: entry.connection,
            address,
        }
    }

    /// A connection has ended. The client is waited for, unless it said that it will not be back.
    pub(crate) async fn leave(&self, shared: &Arc<Shared>, visit: Visit, finally: bool) {
        let (id, connection, address) = (visit.client.id().clone(), visit.connection, visit.address);
        drop(visit);
        let grace = shared.limits.session_grace;
        let waits = {
            let mut all = self.all.lock();
            let away = all.len() >= shared.limits.sessions;
            let Some(entry) = all.get_mut(&id).filter(|entry| entry.connection == connection) else { return };
            entry.replaced = None;
            entry.away = self.away_of.take(address).filter(|_| !finally && !grace.is_zero() && !away);
            entry.away.is_some()
        };
        if !waits {
            return self.end(shared, &id, connection).await;
        }
        let shared = shared.clone();
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(grace) => {}
                () = shared.closing.cancelled() => {}
            }
            shared.sessions.end(&shared, &id, connection).await;
        });
    }

    /// A client leaves for good: its token is void from here on. What is left of it, if it has not come back
    /// on another connection.
    pub(crate) fn part(&self, visit: &Visit) -> Option<Entry> {
        self.take(visit.client.id(), visit.connection)
    }

    fn take(&self, id: &Arc<str>, connection: u64) -> Option<Entry> {
        let mut all = self.all.lock();
        let here = all.get(id).is_some_and(|entry| entry.connection == connection);
        if here { all.remove(id) } else { None }
    }

    /// Ends a client's session, if it has not come back since this connection.
    async fn end(&self, shared: &Shared, id: &Arc<str>, connection: u64) {
        if let Some(entry) = self.take(id, connection) {
            entry.end(shared).await;
        }
    }

    /// Ends all sessions: the server stops, and nobody can come back to it.
    pub(crate) async fn end_all(&self, shared: &Shared) {
        let all: Vec<Entry> = std::mem::take(&mut *self.all.lock()).into_values().collect();
        let ended = stream::iter(all).for_each_concurrent(ENDS_TOGETHER, |entry| async move {
            entry.end(shared).await;
        });
        if timeout(shared.limits.drain_timeout, ended).await.is_err() {
            tracing::warn!("some sessions did not end in time");
        }
    }
}

impl Entry {
    /// Ends its session.
    pub(crate) async fn end(self, shared: &Shared) {
        let Some(key) = self.session else { return };
        if let Err(error) = shared.node.end_session(&key, self.who.principal().cloned()).await {
            tracing::warn!(session = %key, %error, "a session could not be ended");
        }
    }
}
