//! The address to listen on: of this machine only, unless callers are asked who they are.

use std::{io, net::SocketAddr};

use abide_core::{Error, Result};
use tokio::net::{TcpListener, lookup_host};

/// Listens on `address`, if it is one of this machine or callers are asked who they are.
pub(crate) async fn listen(address: &str, asks: bool) -> Result<TcpListener> {
    let found = lookup_host(address).await.map_err(|error| not_an_address(address, &error))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    if let Some(public) = found.iter().find(|found| !found.ip().is_loopback() && !asks) {
        return Err(Error::bad_request(format!(
            "{public} can be reached from other machines, and this node does not ask callers who they are, so anybody \
             could change every object; listen on 127.0.0.1, or say in an [auth] section how callers are known \
             (docs/security.md)"
        )));
    }
    match TcpListener::bind(found.as_slice()).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Error::unavailable(format!(
            "another program listens on {address} already; stop it, or choose another port (port 0 takes a free one)"
        ))),
        Err(error) => Err(Error::unavailable(format!("cannot listen on {address}: {error}"))),
    }
}

fn not_an_address(address: &str, error: &io::Error) -> Error {
    Error::bad_request(format!("{address:?} is not an address to listen on ({error}); write 127.0.0.1:7070"))
}

#[cfg(test)]
mod tests {
    use abide_core::Code;

    use super::*;

    #[tokio::test]
    async fn an_address_of_this_machine_is_listened_on() {
        for address in ["127.0.0.1:0", "localhost:0"] {
            let listener = listen(address, false).await.unwrap();
            assert!(listener.local_addr().unwrap().ip().is_loopback());
        }
    }

    #[tokio::test]
    async fn a_public_address_is_refused_with_what_to_do() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
            let error = listen(address, false).await.unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.detail().contains("127.0.0.1") && error.detail().contains("[auth]"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_public_address_is_listened_on_if_callers_are_asked_who_they_are() {
        assert!(listen("0.0.0.0:0", true).await.unwrap().local_addr().unwrap().ip().is_unspecified());
    }

    #[tokio::test]
    async fn what_is_no_address_or_is_taken_is_told_apart() {
        assert_eq!(listen("7070", false).await.unwrap_err().code(), Code::BadRequest);
        let taken = listen("127.0.0.1:0", false).await.unwrap();
        let error = listen(&taken.local_addr().unwrap().to_string(), false).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.detail().contains("another program"), "{error}");
    }
}
