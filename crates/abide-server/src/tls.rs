//! TLS, with certificates that are read again when they change.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use abide_core::{Error, Result};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    auth::certificate::{Authorities, fingerprint},
    watched::{Reloads, Watched},
};

/// How long a caller may take to agree on how to speak.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server shows to prove who it is, and what it asks of those who call it.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// The file with its certificate and those that lead to a known one, as PEM.
    pub cert: PathBuf,
    /// The file with the certificate's private key, as PEM.
    pub key: PathBuf,
    /// Whether callers show certificates, too. `None`: they are not asked.
    pub clients: Option<ClientCertificates>,
}

/// Which certificates of callers are believed. The common name of one is the caller's name, each organization
/// in it a role; its tenant is `default`.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    /// The file with the certificates of who vouches for them, as PEM.
    pub ca: PathBuf,
    /// Whether a caller without a certificate cannot connect; if not, it shows a token, or is anonymous.
    pub required: bool,
}

impl TlsOptions {
    /// This certificate and its key; callers are not asked for theirs.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into(), clients: None }
    }
}

/// Agrees with callers on how to speak.
pub(crate) struct Tls(Watched<Agreement>);

/// How callers are spoken to, and the fingerprint of those who vouch for their certificates.
struct Agreement {
    config: Arc<ServerConfig>,
    authorities: Option<[u8; 32]>,
}

impl Tls {
    /// Who vouches for callers is told to `authorities`, now and whenever it changes.
    ///
    /// # Errors
    /// `bad_request` if a certificate or its key cannot be used.
    pub(crate) fn new(options: &TlsOptions, reloads: &Reloads, authorities: Option<&Authorities>) -> Result<Self> {
        let (options, authorities) = (options.clone(), authorities.cloned());
        let mut files = vec![options.cert.clone(), options.key.clone()];
        files.extend(options.clients.as_ref().map(|clients| clients.ca.clone()));
        let read = move || {
            let agreement = agreement(&options)?;
            // Before anybody can agree to this, so that nobody is refused who was just let in.
            if let (Some(known), Some(print)) = (&authorities, agreement.authorities) {
                known.become_those(print);
            }
            Ok(agreement)
        };
        Watched::read("the TLS certificates", files, reloads, read).map(Self).map_err(Error::bad_request)
    }

    /// With the certificates as they are now; and the fingerprint of those who vouch for callers.
    pub(crate) fn acceptor(&self) -> (TlsAcceptor, Option<[u8; 32]>) {
        let agreement = self.0.get();
        (TlsAcceptor::from(agreement.config.clone()), agreement.authorities)
    }
}

fn agreement(TlsOptions { cert, key, clients }: &TlsOptions) -> Result<Agreement, String> {
    let (verifier, authorities) = match clients {
        Some(clients) => verifier(clients).map(|(verifier, print)| (verifier, Some(print)))?,
        None => (WebPkiClientVerifier::no_client_auth(), None),
    };
    let shown = certified(cert, key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let config = config.with_client_cert_verifier(verifier);
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Agreement { config: Arc::new(config), authorities })
}

fn verifier(clients: &ClientCertificates) -> Result<(Arc<dyn ClientCertVerifier>, [u8; 32]), String> {
    let (mut roots, trusted) = (RootCertStore::empty(), certificates(&clients.ca)?);
    let print = fingerprint(trusted.iter().map(|certificate| &**certificate));
    for certificate in trusted {
        roots.add(certificate).map_err(|error| failed(&clients.ca, &error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = if clients.required { verifier } else { verifier.allow_unauthenticated() };
    let verifier = verifier.build().map_err(|error| failed(&clients.ca, &error))?;
    Ok((verifier, print))
}

fn certified(cert: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let signing = ring::sign::any_supported_type(&private).map_err(|error| failed(key, &error))?;
    let certified = CertifiedKey::new(chain, signing);
    certified
        .keys_match()
        .map_err(|error| format!("{} is not the key of {}: {error}", key.display(), cert.display()))?;
    Ok(certified)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(file, &error))?;
    if found.is_empty() { Err(failed(file, &"it has no certificate")) } else { Ok(found) }
}

fn failed(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}
