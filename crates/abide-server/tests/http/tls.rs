//! TLS, and a certificate that is replaced while the node runs.

use std::{path::Path, sync::Arc, time::Duration};

use abide_server::{ServerOptions, TlsOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::world::World;

/// Puts a fresh certificate where the server finds it.
fn issue(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    // The key first: between the two, they do not belong together.
    for (name, text) in [("server-key.pem", signing_key.serialize_pem()), ("server.pem", cert.pem())] {
        std::fs::write(dir.join("beside"), text).unwrap();
        std::fs::rename(dir.join("beside"), dir.join(name)).unwrap();
    }
    cert.der().clone()
}

fn files(dir: &Path) -> TlsOptions {
    TlsOptions { cert: dir.join("server.pem"), key: dir.join("server-key.pem") }
}

/// The answer of a server, if it proves who it is by this certificate.
async fn ask(world: &World, trusted: &CertificateDer<'static>, protocol: &[u8]) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(world.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    if protocol == b"h2" {
        return Ok(String::new());
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn a_server_with_a_certificate_speaks_tls_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = issue(dir.path());
    let world = World::plan().server(|server| server.tls = Some(files(dir.path()))).start().await;
    let text = ask(&world, &certificate, b"http/1.1").await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"ok\""), "{text}");
    ask(&world, &certificate, b"h2").await.unwrap();
    let plain = world.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(!plain.contains("200"), "{plain}");
    world.stopped().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_shown_at_once_and_half_of_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let old = issue(dir.path());
    let world = World::plan().server(|server| server.tls = Some(files(dir.path()))).start().await;
    ask(&world, &old, b"http/1.1").await.unwrap();
    let other = tempfile::tempdir().unwrap();
    issue(other.path());
    std::fs::copy(other.path().join("server-key.pem"), dir.path().join("server-key.pem")).unwrap();
    ask(&world, &old, b"http/1.1").await.unwrap();
    let new = issue(dir.path());
    let mut shown = ask(&world, &new, b"http/1.1").await;
    for _ in 0..1000 {
        if shown.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        shown = ask(&world, &new, b"http/1.1").await;
    }
    assert!(shown.unwrap().starts_with("HTTP/1.1 200"));
    assert!(ask(&world, &old, b"http/1.1").await.is_err());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_server_before_it_listens() {
    let dir = tempfile::tempdir().unwrap();
    let bind = async || {
        let mut options = ServerOptions::on("127.0.0.1:0");
        options.tls = Some(files(dir.path()));
        abide_server::Door::bind(options).await.err().unwrap().to_string()
    };
    assert!(bind().await.contains("server.pem"));
    issue(dir.path());
    std::fs::write(dir.path().join("server.pem"), "nothing").unwrap();
    assert!(bind().await.contains("server.pem"));
    issue(dir.path());
    let other = tempfile::tempdir().unwrap();
    issue(other.path());
    std::fs::copy(other.path().join("server-key.pem"), dir.path().join("server-key.pem")).unwrap();
    assert!(bind().await.contains("is not the key of"));
}
