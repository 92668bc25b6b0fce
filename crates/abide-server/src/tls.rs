//! TLS, with a certificate that is read again when it changes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use abide_core::{Error, Result};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::watched::Watched;

/// How long a caller may take to agree on how to speak.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server shows to prove who it is.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// The file with its certificate and those that lead to a known one, as PEM.
    pub cert: PathBuf,
    /// The file with the certificate's private key, as PEM.
    pub key: PathBuf,
}

/// Agrees with callers on how to speak.
///
/// # Errors
/// `bad_request` if the certificate or its key cannot be used.
pub(crate) fn acceptor(options: &TlsOptions) -> Result<TlsAcceptor> {
    let TlsOptions { cert, key } = options.clone();
    let files = vec![cert.clone(), key.clone()];
    let shown =
        Watched::read("the TLS certificate", files, move || certified(&cert, &key)).map_err(Error::bad_request)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(Shown(shown)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certified(cert: &PathBuf, key: &PathBuf) -> Result<Arc<CertifiedKey>, String> {
    let failed = |file: &PathBuf, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(cert, &error))?;
    if chain.is_empty() {
        return Err(failed(cert, &"it has no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let signing = ring::sign::any_supported_type(&private).map_err(|error| failed(key, &error))?;
    let certified = CertifiedKey::new(chain, signing);
    certified
        .keys_match()
        .map_err(|error| format!("{} is not the key of {}: {error}", key.display(), cert.display()))?;
    Ok(Arc::new(certified))
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(Watched<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.get().as_ref().clone())
    }
}
