use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::failure::{Failure, Outcome};

/// Checks who answers, by the certificates that this machine trusts or by one that was named.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts what the system does, or only what is vouched for by the certificates in this file.
    pub(crate) fn new(ca: Option<&Path>) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(file) => {
                let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
                let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                for certificate in found.map_err(|error| wrong(&error))? {
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
            }
            None => {
                let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new("tls", error.to_string()))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Agrees with the node of this name on how to speak.
    pub(crate) async fn agree(&self, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}
