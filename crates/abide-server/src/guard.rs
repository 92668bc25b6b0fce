//! Whose page sent this? A server on this machine must not be driven by a web page from elsewhere.
//!
//! - **Host**: a page can point a name of its own at 127.0.0.1 (DNS rebinding) and then speak to this
//!   server as if it were its own. So the name that a request was sent to has to be one of ours.
//!   A node that other machines reach and that lets nobody in without a token may have any name: a page
//!   has no token. A name that is an address was not pointed anywhere.
//! - **Origin**: a page may send requests across origins without asking, as long as it does not read the
//!   answer. So what can change something, and every socket, has to come from our own origin, from one that
//!   the options name, or from no page at all.

use std::net::{IpAddr, SocketAddr};

use abide_core::{Code, Error, Result};
use axum::http::{HeaderMap, Method, Request, Uri, header, uri::Authority};

use crate::{ServerOptions, gate::Gate};

/// Names that mean this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The names that this server answers to, and the origins whose pages may use it.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    names: Names,
}

/// Which names are known besides those that the options have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Those of this machine.
    Loopback,
    /// All addresses.
    Addresses,
    /// All.
    Any,
}

impl Guard {
    pub(crate) fn new(options: &ServerOptions, gate: &Gate, local: SocketAddr) -> Self {
        let names = match (local.ip().is_loopback(), options.hosts.is_empty() && !gate.admits_anybody()) {
            (true, _) => Names::Loopback,
            (false, true) => Names::Any,
            (false, false) => Names::Addresses,
        };
        Self::of(&options.hosts, &options.origins, names)
    }

    fn of(hosts: &[String], origins: &[String], names: Names) -> Self {
        let hosts = hosts.iter().map(|host| host.trim().to_ascii_lowercase());
        let hosts = LOOPBACK.iter().map(|host| (*host).to_owned()).chain(hosts).collect();
        Self { hosts, origins: origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(), names }
    }

    /// Refuses requests that a foreign page may have sent.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<()> {
        let host = self.host(request.uri(), request.headers())?;
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return Ok(());
        };
        let opens_socket = request.headers().contains_key(header::UPGRADE);
        if matches!(*request.method(), Method::GET | Method::HEAD) && !opens_socket {
            return Ok(());
        }
        if origin.to_str().is_ok_and(|origin| is_own(origin, host) || self.is_friend(origin)) {
            return Ok(());
        }
        let detail = "a page of another origin may not change anything here; nothing was changed; whoever runs this \
                      node can add the origin to its `origins`";
        Err(Error::new(Code::Denied, detail))
    }

    fn is_friend(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }

    /// The host that the request was sent to, if it is one of ours.
    fn host<'r>(&self, uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str> {
        let mut named = headers.get_all(header::HOST).iter();
        let header = named.next().map(|value| value.to_str().unwrap_or_default());
        if named.next().is_some() {
            return Err(Error::bad_request("the header Host is there twice; nothing was changed"));
        }
        let authority = uri.authority().map(Authority::as_str);
        let host = authority.or(header).ok_or_else(|| Error::bad_request("the request names no host"))?;
        for name in [Some(host), header].into_iter().flatten() {
            if !self.knows(name) {
                let shown: String = name.chars().take(80).collect();
                let detail = format!(
                    "this server is not called {shown:?}; nothing was changed; call it localhost or 127.0.0.1, or \
                     add the name to its `hosts`"
                );
                return Err(Error::new(Code::Denied, detail));
            }
        }
        Ok(host)
    }

    fn knows(&self, authority: &str) -> bool {
        let (name, _) = split_port(authority);
        match self.names {
            Names::Any => return true,
            Names::Addresses if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => return true,
            Names::Addresses | Names::Loopback => {}
        }
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(authority))
    }
}

/// Whether an origin, `scheme://host[:port]`, is that of the host the request was sent to.
fn is_own(origin: &str, host: &str) -> bool {
    let (authority, usual) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, "80"),
        Some(("https", authority)) => (authority, "443"),
        _ => return false,
    };
    let parts = |text| {
        let (name, port): (&str, Option<&str>) = split_port(text);
        (name.to_ascii_lowercase(), port.unwrap_or(usual).to_owned())
    };
    parts(authority) == parts(host)
}

/// The name, and the port if there is one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, host: Option<&str>, origin: Option<&str>) -> Option<Code> {
        let guard = Guard::of(&["Abide.example".into()], &["https://app.example".into()], Names::Loopback);
        let mut request = Request::builder().method(method).uri("/v1/objects/a/b/c");
        for (name, value) in [("host", host), ("origin", origin)] {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        guard.check(&request.body(()).unwrap()).err().map(|error| error.code())
    }

    #[test]
    fn the_names_of_this_machine_are_known_with_any_port() {
        for host in ["localhost", "LOCALHOST:7070", "127.0.0.1:1", "[::1]", "[::1]:7070", "abide.example:443"] {
            assert_eq!(check("POST", Some(host), None), None, "{host}");
        }
    }

    #[test]
    fn a_name_that_was_pointed_here_is_refused() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7070", "", "::1", "127.0.0.1:x"]
        {
            assert_eq!(check("GET", Some(host), None), Some(Code::Denied), "{host}");
        }
        assert_eq!(check("GET", None, None), Some(Code::BadRequest));
    }

    #[test]
    fn a_page_of_another_origin_may_read_nothing_and_change_nothing() {
        let host = Some("localhost:7070");
        for origin in ["http://localhost:3000", "http://evil.example", "https://localhost:7070.evil", "null", "file://"]
        {
            assert_eq!(check("POST", host, Some(origin)), Some(Code::Denied), "{origin}");
            assert_eq!(check("DELETE", host, Some(origin)), Some(Code::Denied), "{origin}");
            assert_eq!(check("GET", host, Some(origin)), None, "{origin}");
        }
        assert_eq!(check("POST", host, Some("http://localhost:7070")), None);
        assert_eq!(check("POST", host, Some("https://app.example")), None);
        assert_eq!(check("POST", host, Some("http://app.example")), Some(Code::Denied));
        assert_eq!(check("POST", Some("abide.example"), Some("https://abide.example")), None);
    }

    #[test]
    fn the_host_of_an_absolute_url_counts_too() {
        let guard = Guard::of(&[], &[], Names::Loopback);
        let request = |uri: &str, host: &str| Request::get(uri).header("host", host).body(()).unwrap();
        assert!(guard.check(&request("http://localhost/x", "localhost")).is_ok());
        assert!(guard.check(&request("http://evil.example/x", "localhost")).is_err());
        assert!(guard.check(&request("http://localhost/x", "evil.example")).is_err());
    }

    #[test]
    fn a_page_of_another_origin_may_open_no_socket() {
        let guard = Guard::of(&[], &[], Names::Loopback);
        let open = |origin: &str| {
            let request = Request::get("/v1/socket").header("host", "localhost:7070").header("upgrade", "websocket");
            guard.check(&request.header("origin", origin).body(()).unwrap())
        };
        assert!(open("http://localhost:7070").is_ok());
        assert_eq!(open("http://evil.example").unwrap_err().code(), Code::Denied);
    }

    #[test]
    fn a_node_that_others_reach_has_the_names_it_was_given_and_those_that_nobody_can_point_elsewhere() {
        let known = |names, host: &str| Guard::of(&["abide.example".into()], &[], names).knows(host);
        for host in ["192.0.2.1:7070", "[2001:db8::1]", "abide.example"] {
            assert!(known(Names::Addresses, host), "{host}");
        }
        assert!(!known(Names::Addresses, "evil.example") && !known(Names::Loopback, "192.0.2.1"));
        assert!(known(Names::Any, "evil.example"), "a page there has no token");
    }
}
