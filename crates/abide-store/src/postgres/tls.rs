use std::{fmt::Display, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::{Client, Tls};

/// What makes connections encrypted and says who we are, as far as the URL asks for it.
pub(super) fn connector(tls: &Tls, client: Option<&Client>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let check = match tls {
        Tls::Off | Tls::Prefer | Tls::Require => Check::Anyone,
        Tls::Verify { roots, name } => {
            let roots = Arc::new(known(roots.as_deref())?);
            let signed = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let signed = signed.map_err(|error| format!("the root certificates cannot be used: {error}"))?;
            if *name { Check::Named(signed) } else { Check::Signed(signed) }
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { provider, check }));
    let config = match client {
        None => config.with_no_client_auth(),
        Some(client) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(proof(client)?))),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// What a client shows. Whether its certificate is any good is for the server to say.
fn proof(client: &Client) -> Result<CertifiedKey, String> {
    let Client { certificate, key } = client;
    let wrong =
        |what: &str, file: &Path, why: &dyn Display| format!("{what} in {} cannot be read: {why}", file.display());
    let certificates = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| wrong("the certificate", certificate, &error))?;
    if certificates.is_empty() {
        return Err(wrong("the certificate", certificate, &"there is none in it"));
    }
    let no_key =
        |error: &dyn Display| wrong("the key", key, &format!("{error} (it has to be PEM, without a password)"));
    let read = PrivateKeyDer::from_pem_file(key).map_err(|error| no_key(&error))?;
    let signing = ring::default_provider().key_provider.load_private_key(read).map_err(|error| no_key(&error))?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(format!("{} is not the key of the certificate in {}", key.display(), certificate.display()))
        }
        _ => Ok(certified),
    }
}

/// The root certificates of a file, or of the system.
fn known(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err("the system has no root certificates: name a file of them with sslrootcert=".into());
        }
        return Ok(roots);
    };
    let wrong = |why: &dyn Display| format!("the root certificates in {} cannot be read: {why}", file.display());
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is none in it"));
    }
    Ok(roots)
}

/// What a server's certificate has to show.
#[derive(Debug)]
enum Check {
    /// Nothing.
    Anyone,
    /// That it is signed by one we know.
    Signed(Arc<WebPkiServerVerifier>),
    /// That, and that it belongs to the host we asked for.
    Named(Arc<WebPkiServerVerifier>),
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    check: Check,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match &self.check {
            Check::Anyone => Ok(ServerCertVerified::assertion()),
            Check::Named(signed) => signed.verify_server_cert(certificate, between, server, ocsp, now),
            Check::Signed(signed) => match signed.verify_server_cert(certificate, between, server, ocsp, now) {
                Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                    Ok(ServerCertVerified::assertion())
                }
                verified => verified,
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
