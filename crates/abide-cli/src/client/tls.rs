use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::failure::{Failure, Outcome};

/// Who vouches for the node, and what it is shown.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// The file with the certificate that vouches for the node, as PEM, if the system does not know it.
    #[arg(long, global = true, value_name = "FILE", env = "ABIDE_CA")]
    ca: Option<PathBuf>,
    /// The file with the certificate to show to the node, as PEM.
    #[arg(long, global = true, value_name = "FILE", env = "ABIDE_CERT", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// The file with that certificate's private key, as PEM.
    #[arg(long, global = true, value_name = "FILE", env = "ABIDE_CERT_KEY", requires = "cert")]
    cert_key: Option<PathBuf>,
}

impl Certificates {
    /// Whether the node is shown one.
    pub(crate) fn are_shown(&self) -> bool {
        self.cert.is_some()
    }
}

/// Checks who answers, by the certificates that this machine trusts or by one that was named.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts what the system does, or only what is vouched for by the certificates in this file.
    pub(crate) fn new(Certificates { ca, cert, cert_key }: &Certificates) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(file) => {
                for certificate in read(file)? {
                    roots.add(certificate).map_err(|error| wrong(file, &error))?;
                }
            }
            None => {
                let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new("tls", error.to_string()))?;
        let config = config.with_root_certificates(roots);
        let config = match (cert, cert_key) {
            (Some(cert), Some(key)) => {
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
                config.with_client_auth_cert(read(cert)?, private).map_err(|error| wrong(cert, &error))?
            }
            _ => config.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Agrees with the node of this name on how to speak.
    pub(crate) async fn agree(&self, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

fn read(file: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    found.map_err(|error| wrong(file, &error))
}

fn wrong(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{}: {error}", file.display()))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}
