use std::{error::Error, io};

use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};

use crate::failure::Failure;

/// What to tell of a fault of TLS between here and the node at this address; `None` if it is none.
pub(super) fn of_tls(error: &(dyn Error + 'static), address: &str) -> Option<Failure> {
    let error = cause(error)?;
    let (what, hint) = match error {
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ("shows a certificate for another name", "call the node, in --url, as its certificate does"),
        Tls::InvalidCertificate(_) => (
            "shows a certificate that is not trusted here",
            "name the file of who vouches for it with --ca, or in ABIDE_CA",
        ),
        Tls::AlertReceived(Alert::CertificateRequired) => {
            ("wants to be shown a certificate", "show yours with --cert and --cert-key")
        }
        Tls::AlertReceived(Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateExpired) => {
            ("does not take the certificate that it was shown", "its client_ca has to vouch for the one of --cert")
        }
        Tls::InvalidMessage(_) => ("does not speak TLS", "the address of a node without [tls] begins with http://"),
        _ => return None,
    };
    Some(Failure::new("unreachable", format!("the node at {address} {what}: {error}")).hint(hint))
}

/// The fault of TLS that is behind an error.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Tls> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        // What an I/O error wraps is not its source: its source is the source of that.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
