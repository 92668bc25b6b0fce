//! Where a server is.

use std::fmt;

use abide_core::{Error, Result};
use tokio_tungstenite::tungstenite::http::{Uri, uri::Authority};

/// One address of a server: `http://host:port/path`, or `https`, `ws` or `wss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secure: bool,
    path: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri = full.parse::<Uri>().map_err(|error| wrong(&error))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            other => return Err(wrong(&format!("the scheme {:?} is not known", other.unwrap_or_default()))),
        };
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong(&"it holds a user or a password; give a token instead"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong(&"it names no host"))?;
        let port = match uri.port_u16() {
            Some(port) => port,
            None if authority != host => return Err(wrong(&"its port is none")),
            None if secure => 443,
            None => 80,
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, secure, path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// What the handshake asks for.
    pub(crate) fn socket_url(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}{}/v1/socket", self.port, self.path)
    }
}

/// Without the address itself, which may hold a password.
fn wrong(why: &dyn fmt::Display) -> Error {
    Error::bad_request(format!("this is no address of a server: {why}; write http://host:port or https://host"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_scheme_port_and_path() {
        for (text, url) in [
            ("http://127.0.0.1:7070", "ws://127.0.0.1:7070/v1/socket"),
            ("localhost:7070", "ws://localhost:7070/v1/socket"),
            ("https://example.org/abide/", "wss://example.org:443/abide/v1/socket"),
            ("ws://[::1]:9", "ws://[::1]:9/v1/socket"),
        ] {
            assert_eq!(Address::parse(text).unwrap().socket_url(), url);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for text in ["", "ftp://host", "http://", "http://user:secret@host", "http://host:99999"] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.detail().contains("write http://host:port"), "{text}: {error}");
        }
    }
}
