//! How a client connects and waits.

use std::{fmt, sync::Arc, time::Duration};

use abide_core::{Backoff, Kind};

use crate::{address::Address, tls::Tls};

/// Where a client's token comes from: it is asked before every connection, so that it can be a fresh one.
pub type TokenSource = Arc<dyn Fn() -> String + Send + Sync>;

/// How many calls may wait, on the connection and for it.
pub(crate) const CALLS_MAX: usize = 10_000;
/// How many objects may be watched.
pub(crate) const WATCHES_MAX: usize = 10_000;
/// How many commands wait for the task that owns the connection.
pub(crate) const COMMANDS_MAX: usize = 256;
/// How many frames wait to be written.
pub(crate) const OUT_MAX: usize = 64;
/// How many short frames (ephemeral sends, presence, cancels) wait for their turn.
pub(crate) const SMALL_MAX: usize = 1024;
/// The longest frame that is read.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a server may take to accept a connection, and to say welcome.
pub(crate) const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// How long the last frames may take when a client is closed.
pub(crate) const FAREWELL_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) addresses: Vec<Address>,
    pub(crate) tls: Option<Tls>,
    pub(crate) token: Option<TokenSource>,
    /// Whether the token may be another one the next time.
    pub(crate) renewable: bool,
    pub(crate) session: Option<Kind>,
    pub(crate) timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) heartbeat: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("addresses", &self.addresses).field("session", &self.session).finish()
    }
}
