//! Encrypted connections.

use std::{fmt, io, sync::Arc};

use abide_core::{Error, Result};
use rustls::{
    AlertDescription as Alert, CertificateError, ClientConfig, Error as Fault, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Whom an encrypted connection trusts, and what it shows of itself.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the certificates in `ca` (PEM), or else those that the system trusts; shows `own`, a certificate and
    /// its key (PEM), to a server that asks for one.
    pub(crate) fn new(ca: Option<&[u8]>, own: Option<&(Vec<u8>, Vec<u8>)>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(pem) => {
                let wrong = |error: &dyn fmt::Display| {
                    Error::bad_request(format!("the certificates to trust cannot be read: {error}; give them as PEM"))
                };
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
                if roots.is_empty() {
                    return Err(wrong(&"there is none"));
                }
            }
            None => {
                let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots);
        let config = match own {
            Some((pem, key)) => {
                let (chain, key) = shown(pem, key)?;
                config.with_client_auth_cert(chain, key).map_err(|error| wrong_own(&error))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn agree(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// Why no encrypted connection came about, and what to do.
pub(crate) fn told(error: &io::Error) -> String {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    let Some(fault) = fault else { return error.to_string() };
    let advice = match fault {
        Fault::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "call it by a name that is in its certificate",
        Fault::InvalidCertificate(CertificateError::UnknownIssuer) => "name who vouches for its certificate with `ca`",
        Fault::AlertReceived(Alert::CertificateRequired) => {
            "it wants to be shown a certificate: give one with `certificate`"
        }
        Fault::AlertReceived(
            Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::CertificateExpired,
        ) => "it does not take the certificate that it was shown",
        Fault::InvalidMessage(_) => "if it does not speak TLS, its address begins with http://",
        _ => return fault.to_string(),
    };
    format!("{fault}; {advice}")
}

fn shown(pem: &[u8], key: &[u8]) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| wrong_own(&error))?;
    if chain.is_empty() {
        return Err(wrong_own(&"there is none"));
    }
    Ok((chain, PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong_own(&error))?))
}

fn wrong_own(error: &dyn fmt::Display) -> Error {
    Error::bad_request(format!("the certificate to show, or its key, cannot be used: {error}; give both as PEM"))
}
