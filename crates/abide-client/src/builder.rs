//! A client before it connects.

use std::{fmt, sync::Arc, time::Duration};

use abide_core::{Backoff, Error, Kind, Result};

use crate::{
    address::Address,
    client::Client,
    options::{Options, TokenSource},
    tls::Tls,
};

/// How many addresses a client may have.
const ADDRESSES_MAX: usize = 64;
/// The longest that is waited for anything: a sum with it is still a time.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A client being described.
#[must_use = "nothing happens until `.connect().await`"]
#[derive(Clone)]
pub struct Builder {
    addresses: Vec<String>,
    ca: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    token: Option<TokenSource>,
    renewable: bool,
    session: Option<String>,
    timeout: Duration,
    backoff: Backoff,
    heartbeat: Duration,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let backoff = Backoff {
            first: Duration::from_millis(200),
            max: Duration::from_secs(10),
            attempts_max: None,
            ..Backoff::default()
        };
        Self {
            addresses: Vec::new(),
            ca: None,
            certificate: None,
            token: None,
            renewable: false,
            session: None,
            timeout: Duration::from_secs(30),
            backoff,
            heartbeat: Duration::from_secs(15),
        }
    }

    /// Adds an address: `http://host:port` or `https://host`, with a path if the server is not at the root. With
    /// several, the next one is tried when one cannot be reached.
    pub fn address(mut self, url: impl Into<String>) -> Self {
        self.addresses.push(url.into());
        self
    }

    /// Says who is calling: a JWT or an API key. A server that refuses it, also later, ends the client.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token = Some(Arc::new(move || token.clone()));
        self.renewable = false;
        self
    }

    /// As [`Builder::token`], asked before every connection, so that it can be a fresh one. A refused token is no
    /// end then: it is asked again. It must not block.
    pub fn token_from(mut self, source: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.token = Some(Arc::new(source));
        self.renewable = true;
        self
    }

    /// Asks for a session object of this kind; its id is [`Client::id`].
    pub fn session(mut self, kind: impl Into<String>) -> Self {
        self.session = Some(kind.into());
        self
    }

    /// How long a call waits unless it says otherwise, broken connections included: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts these certificates (PEM, the content of a file) instead of those that the system trusts.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Says who is calling by a certificate (PEM, with those that lead to its authority behind it) and its key, to a
    /// server that asks for one. Read once: a client that is to show a newer one is a new client.
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some((pem.into(), key.into()));
        self
    }

    /// How long to wait before the connection is made again: from 200 ms to 10 s, up to half taken off by chance.
    /// It never gives up, whatever `attempts_max` says, and waits a day at most.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// After how long a silence the server is asked if it is there; after as long again the connection counts as
    /// lost. 15 s; 10 ms to a day.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat.clamp(Duration::from_millis(10), WAIT_MAX);
        self
    }

    /// Connects. It is done when every address was tried once, also if none could be reached: the client goes on
    /// trying, and calls wait for it. [`Client::status`] says how it is.
    ///
    /// # Errors
    /// `bad_request` if the description is wrong; otherwise what a server says that refuses this client for good,
    /// for example for its token (`unauthenticated`, `denied`).
    pub async fn connect(self) -> Result<Client> {
        let client = self.start()?;
        client.attempted().await?;
        Ok(client)
    }

    /// As [`Builder::connect`], without waiting. It has to be called within a Tokio runtime.
    pub fn start(self) -> Result<Client> {
        Ok(Client::over(self.options()?))
    }

    fn options(self) -> Result<Options> {
        if self.addresses.is_empty() || self.addresses.len() > ADDRESSES_MAX {
            let n = self.addresses.len();
            return Err(Error::bad_request(format!("a client has 1 to {ADDRESSES_MAX} addresses, this one has {n}")));
        }
        let addresses = self.addresses.iter().map(|text| Address::parse(text)).collect::<Result<Vec<_>>>()?;
        let secure = addresses.iter().any(|address| address.secure);
        let tls = secure.then(|| Tls::new(self.ca.as_deref(), self.certificate.as_ref())).transpose()?;
        let session = self.session.as_deref().map(Kind::new).transpose()?;
        let backoff = Backoff { attempts_max: None, max: self.backoff.max.min(WAIT_MAX), ..self.backoff };
        let (token, renewable, timeout, heartbeat) = (self.token, self.renewable, self.timeout, self.heartbeat);
        Ok(Options { addresses, tls, token, renewable, session, timeout, backoff, heartbeat })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("addresses", &self.addresses).field("session", &self.session).finish()
    }
}
