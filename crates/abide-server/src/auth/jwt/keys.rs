use std::{fs, path::Path};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash},
};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

use super::provider;
use crate::auth::Refusal;

/// How many keys a set may have.
const KEYS_MAX: usize = 1000;

/// The shortest secret, in bytes: as long as what it makes (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// The keys of whoever signs tokens, each for one algorithm alone.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Trusted>,
    /// Why some of the file's keys are not used.
    pub(crate) unused: Vec<String>,
}

/// A key that is trusted for one algorithm.
#[derive(Debug)]
pub(super) struct Trusted {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    /// Tells it from any other key, also from one that takes its name. It is the same however the key is written
    /// down.
    pub(super) print: [u8; 32],
}

#[derive(Deserialize)]
struct File {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. A key that cannot be used is left out: others need not suffer for it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        provider::install();
        let file: File =
            serde_json::from_slice(text).map_err(|error| format!("it is not a JSON Web Key Set: {error}"))?;
        if file.keys.len() > KEYS_MAX {
            return Err(format!("it has {} keys, the limit is {KEYS_MAX}", file.keys.len()));
        }
        let mut set = Self::default();
        for (number, value) in (1..).zip(&file.keys) {
            match Trusted::parse(value) {
                Ok(key) if key.id.is_some() && set.keys.iter().any(|known| known.id == key.id) => {
                    return Err(format!("two of its keys have the id {:?}", key.id.unwrap_or_default()));
                }
                Ok(key) => set.keys.push(key),
                Err(why) => set.unused.push(format!("key {number}: {why}")),
            }
        }
        if set.keys.is_empty() && !file.keys.is_empty() {
            return Err(format!("it has no key that can be used ({})", set.unused.join("; ")));
        }
        Ok(set)
    }

    /// Whether the key with this fingerprint is among them.
    pub(super) fn has(&self, print: &[u8; 32]) -> bool {
        self.keys.iter().any(|key| key.print == *print)
    }

    /// The key that a token says it is signed with. One that does not say is believed if there is only one key.
    pub(super) fn find(&self, id: Option<&str>) -> Result<&Trusted, Refusal> {
        match (id, self.keys.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Refusal::Key),
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).ok_or(Refusal::Key),
        }
    }
}

impl Trusted {
    fn parse(value: &Value) -> Result<Self, String> {
        let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
            return Err("it is not for signatures".into());
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
            _ => return Err("it is for none of HS256, RS256, ES256 and EdDSA".into()),
        };
        let algorithm = match jwk.common.key_algorithm {
            None => algorithm.0,
            Some(named) if named == algorithm.1 => algorithm.0,
            Some(named) => return Err(format!("it is for {named}, which this node does not take")),
        };
        let key = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
        if algorithm == Algorithm::HS256 {
            let bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
            if bytes < SECRET_BYTES_MIN {
                return Err(format!("its secret has {bytes} bytes; it takes {SECRET_BYTES_MIN} to be safe"));
            }
        }
        // What makes it this key (RFC 7638), and what it is trusted for: nothing else that stands beside it.
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| error.to_string())?;
        let print = digest(&SHA256, format!("{algorithm:?} {thumbprint}").as_bytes());
        let print = print.as_ref().try_into().map_err(|_| "its fingerprint is of another size")?;
        Ok(Self { id: jwk.common.key_id, algorithm, key, print })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn print(key: &str) -> [u8; 32] {
        KeySet::parse(format!(r#"{{"keys": [{key}]}}"#).as_bytes()).unwrap().keys[0].print
    }

    #[test]
    fn a_key_that_is_published_again_in_other_words_is_the_same() {
        let k = URL_SAFE_NO_PAD.encode([7; 32]);
        let first = print(&format!(r#"{{"kty": "oct", "kid": "a", "k": "{k}"}}"#));
        for again in [
            format!(r#"{{"k": "{k}", "kid": "a", "kty": "oct"}}"#),
            format!(r#"{{"kty": "oct", "kid": "a", "alg": "HS256", "use": "sig", "k": "{k}"}}"#),
            format!(r#"{{"kty": "oct", "kid": "a", "k": "{k}", "published": "today", "x5t": "aa"}}"#),
        ] {
            assert_eq!(print(&again), first, "{again}");
        }
        let other = URL_SAFE_NO_PAD.encode([8; 32]);
        assert_ne!(print(&format!(r#"{{"kty": "oct", "kid": "a", "k": "{other}"}}"#)), first);
    }
}
