//! Whom a certificate names. That it holds was checked when the connection agreed on TLS.

use std::sync::Arc;

use abide_core::{Namespace, Timestamp};
use abide_node::Principal;
use parking_lot::RwLock;
use ring::digest::{Context, SHA256, digest};
use serde_json::Map;
use x509_cert::{
    Certificate,
    der::{
        Decode, Tag, Tagged,
        asn1::{Any, ObjectIdentifier},
        oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME},
    },
};

use super::{Caller, Means, caller::ANONYMOUS};

/// The longest name of a caller, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// How many roles are taken.
const ROLES_MAX: usize = 100;

/// Who vouches for callers now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities(Arc<RwLock<Option<[u8; 32]>>>);

impl Authorities {
    /// From here on it is those with this fingerprint alone.
    pub(crate) fn become_those(&self, print: [u8; 32]) {
        *self.0.write() = Some(print);
    }

    /// Whether those who vouched for a caller still do.
    pub(super) fn know(&self, caller: &Caller) -> bool {
        caller.signer().is_some_and(|signer| self.0.read().as_ref() == Some(signer))
    }
}

/// The fingerprint of the certificates of some authorities, in whatever order they stand in their file.
pub(crate) fn fingerprint<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut prints: Vec<_> = certificates.map(|der| digest(&SHA256, der)).collect();
    prints.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    let mut all = Context::new(&SHA256);
    prints.iter().for_each(|print| all.update(print.as_ref()));
    let mut print = [0; 32];
    print.copy_from_slice(all.finish().as_ref());
    print
}

/// The caller whom this certificate names: its common name is the subject, each organization a role.
///
/// # Errors
/// A sentence: why it names nobody.
pub(crate) fn caller(der: &[u8]) -> Result<Caller, String> {
    let certificate =
        Certificate::from_der(der).map_err(|error| format!("it cannot be read: {error}"))?.tbs_certificate;
    let named = |wanted: ObjectIdentifier| -> Result<Vec<String>, String> {
        let parts = certificate.subject.0.iter().flat_map(|part| part.0.iter());
        parts.filter(|part| part.oid == wanted).map(|part| text(&part.value)).collect()
    };
    let mut names = named(COMMON_NAME)?;
    let (Some(subject), true) = (names.pop(), names.is_empty()) else {
        return Err("it has to have one common name".into());
    };
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject == ANONYMOUS {
        return Err(format!("its common name is to have 1 to {SUBJECT_BYTES_MAX} bytes, and not to be {ANONYMOUS}"));
    }
    let roles = named(ORGANIZATION_NAME)?;
    if roles.len() > ROLES_MAX {
        return Err(format!("it has {} organizations, the limit is {ROLES_MAX}", roles.len()));
    }
    let end = certificate.validity.not_after.to_unix_duration().as_millis();
    let end = Timestamp::from_millis(i64::try_from(end).unwrap_or(i64::MAX));
    let principal = Principal { subject, roles, namespace: Namespace::default() };
    Ok(Caller::known(principal, Means::Certificate).with_claims(Map::new(), Some(end)))
}

/// A text, in one of the three forms that are in use and mean the same everywhere.
fn text(value: &Any) -> Result<String, String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).map_err(|_| "a name in it is not UTF-8".into())
        }
        other => Err(format!("a name in it is of the form {other}, not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn named(parts: &[(DnType, &str)]) -> Result<Caller, String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in parts {
            params.distinguished_name.push(kind.clone(), *text);
        }
        caller(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_certificate_names_a_caller_and_its_roles() {
        let known = named(&[(DnType::OrganizationName, "user"), (DnType::CommonName, "billing/ü")]).unwrap();
        let principal = known.principal().unwrap();
        assert_eq!((principal.subject.as_str(), principal.roles.as_slice()), ("billing/ü", &["user".to_owned()][..]));
        assert_eq!((known.namespace(), known.means()), (&Namespace::default(), Means::Certificate));
        assert!(known.expires_at().is_some());
    }

    #[test]
    fn a_certificate_without_a_name_of_its_own_names_nobody() {
        for parts in [&[][..], &[(DnType::OrganizationName, "x")], &[(DnType::CommonName, "anonymous")]] {
            named(parts).unwrap_err();
        }
        named(&[(DnType::CommonName, &"x".repeat(600))]).unwrap_err();
        assert!(caller(b"no certificate").is_err());
    }
}
