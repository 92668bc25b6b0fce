//! TLS, and a certificate that is replaced while the node runs.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use abide_server::{ClientCertificates, Rule, ServerOptions, TlsOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    generate_simple_self_signed,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::world::{PATIENCE, World};

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
    TlsOptions::new(dir.join("server.pem"), dir.join("server-key.pem"))
}

/// A certificate of a caller, and its key.
type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// Who vouches for callers, with its certificate in a file.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    fn new(file: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        std::fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    fn vouch(&self, name: &str, roles: &[&str]) -> Shown {
        self.vouch_with(name, roles, |_| {})
    }

    fn vouch_with(&self, name: &str, roles: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        for role in roles {
            params.distinguished_name.push(DnType::OrganizationName, *role);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }
}

/// How to speak to a server that proves who it is by this certificate.
fn config(trusted: &CertificateDer<'static>, shown: Option<Shown>, protocol: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match shown {
        Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

async fn connect(world: &World, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(world.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The answer of a server to a request, if it proves who it is by this certificate.
async fn request(
    world: &World,
    trusted: &CertificateDer<'static>,
    shown: Option<Shown>,
    protocol: &[u8],
    request: &str,
) -> std::io::Result<String> {
    let config = config(trusted, shown, protocol);
    let mut stream = connect(world, config).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    if protocol == b"h2" {
        return Ok(String::new());
    }
    let text = format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// The answer of a server, if it proves who it is by this certificate.
async fn ask(world: &World, trusted: &CertificateDer<'static>, protocol: &[u8]) -> std::io::Result<String> {
    request(world, trusted, None, protocol, "GET /healthz").await
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

/// A node that believes certificates of this authority.
async fn certified(dir: &Path, required: bool) -> World {
    let clients = Some(ClientCertificates { ca: dir.join("ca.pem"), required });
    let rules = json!([{"allow": ["call", "create", "watch"], "id": "{sub}", "roles": "user"}]);
    let plan = World::plan().server(|server| {
        server.tls = Some(TlsOptions { clients, ..files(dir) });
        server.access = serde_json::from_value::<Vec<Rule>>(rules).unwrap();
    });
    plan.start().await
}

#[tokio::test]
async fn a_caller_is_who_its_certificate_names() {
    let dir = tempfile::tempdir().unwrap();
    let (server, authority) = (issue(dir.path()), Authority::new(&dir.path().join("ca.pem")));
    let world = certified(dir.path(), true).await;
    let call = "POST /v1/objects/Counter/billing/increment";
    let as_who = async |name: &str, roles: &[&str]| {
        let shown = authority.vouch(name, roles);
        request(&world, &server, Some(shown), b"http/1.1", call).await.unwrap()
    };
    let answer = as_who("billing", &["user"]).await;
    assert!(!answer.starts_with("HTTP/1.1 401") && !answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(as_who("billing", &["guest"]).await.starts_with("HTTP/1.1 403"), "the role is missing");
    assert!(as_who("shipping", &["user"]).await.starts_with("HTTP/1.1 403"), "it is another's");
    assert!(as_who("anonymous", &["user"]).await.starts_with("HTTP/1.1 401"), "it names nobody");
}

#[tokio::test]
async fn without_a_certificate_nobody_connects_where_one_is_required() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = (issue(dir.path()), Authority::new(&dir.path().join("ca.pem")));
    let (elsewhere, required) = (Authority::new(&dir.path().join("other.pem")), certified(dir.path(), true).await);
    ask(&required, &server, b"http/1.1").await.unwrap_err();
    let foreign = || Some(elsewhere.vouch("billing", &["user"]));
    request(&required, &server, foreign(), b"http/1.1", "GET /healthz").await.unwrap_err();

    let optional = certified(dir.path(), false).await;
    assert!(ask(&optional, &server, b"http/1.1").await.unwrap().starts_with("HTTP/1.1 200"));
    let answer = request(&optional, &server, None, b"http/1.1", "GET /v1/kinds").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    request(&optional, &server, foreign(), b"http/1.1", "GET /healthz").await.unwrap_err();
}

#[tokio::test]
async fn whom_nobody_vouches_for_any_more_cannot_connect_again() {
    let dir = tempfile::tempdir().unwrap();
    let (server, old) = (issue(dir.path()), Authority::new(&dir.path().join("ca.pem")));
    let world = certified(dir.path(), true).await;
    let try_with = async |shown| request(&world, &server, Some(shown), b"http/1.1", "GET /v1/kinds").await;
    assert!(try_with(old.vouch("billing", &[])).await.unwrap().starts_with("HTTP/1.1 200"));
    let new = Authority::new(&dir.path().join("ca.pem"));
    let mut answer = try_with(new.vouch("billing", &[])).await;
    for _ in 0..1000 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = try_with(new.vouch("billing", &[])).await;
    }
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    try_with(old.vouch("billing", &[])).await.unwrap_err();
}

/// A connection that is kept, over which somebody who is known has asked for something.
async fn kept(world: &World, trusted: &CertificateDer<'static>, shown: Shown) -> TlsStream<TcpStream> {
    let mut stream = connect(world, config(trusted, Some(shown), b"http/1.1")).await.unwrap();
    stream.write_all(b"GET /v1/kinds HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// A stream of events of an object.
async fn events(world: &World, trusted: &CertificateDer<'static>, shown: Shown) -> TlsStream<TcpStream> {
    let mut stream = connect(world, config(trusted, Some(shown), b"http/1.1")).await.unwrap();
    let path = "/v1/objects/Counter/billing/changes";
    let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// All that comes until the server ends a connection.
async fn rest(mut stream: TlsStream<TcpStream>) -> String {
    let mut text = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the connection goes on");
    ended.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_that_it_has_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (server, authority) = (issue(dir.path()), Authority::new(&dir.path().join("ca.pem")));
    let world = certified(dir.path(), true).await;
    let shown = || {
        authority.vouch_with("billing", &["user"], |params| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            params.not_after = date_time_ymd(1970, 1, 1) + now + Duration::from_secs(8);
        })
    };
    let (kept, events) = tokio::join!(kept(&world, &server, shown()), events(&world, &server, shown()));
    let (_, told) = tokio::join!(rest(kept), rest(events));
    assert!(told.contains("\"unauthenticated\"") && told.contains("\"expired\""), "{told}");
}

#[tokio::test]
async fn connections_end_when_nobody_vouches_for_their_certificates_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (server, old) = (issue(dir.path()), Authority::new(&dir.path().join("ca.pem")));
    let world = certified(dir.path(), true).await;
    let shown = || old.vouch("billing", &["user"]);
    let (kept, events) = tokio::join!(kept(&world, &server, shown()), events(&world, &server, shown()));
    Authority::new(&dir.path().join("ca.pem"));
    let (_, told) = tokio::join!(rest(kept), rest(events));
    assert!(told.contains("\"unauthenticated\"") && told.contains("\"revoked\""), "{told}");
}

#[test]
fn a_node_that_asks_for_certificates_may_serve_other_machines() {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path());
    Authority::new(&dir.path().join("ca.pem"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut options = ServerOptions::on("0.0.0.0:0");
    options.tls = Some(files(dir.path()));
    assert!(runtime.block_on(abide_server::Door::bind(options.clone())).is_err(), "nobody is asked");
    let clients = Some(ClientCertificates { ca: dir.path().join("ca.pem"), required: true });
    options.tls = Some(TlsOptions { clients, ..files(dir.path()) });
    runtime.block_on(abide_server::Door::bind(options)).map(drop).unwrap();
}
