//! What a caller shows to be believed, on any text.

use std::sync::LazyLock;

use abide_core::Namespace;
use abide_node::Principal;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use super::{ApiKeys, Caller, JwtOptions, Means, api_keys::Hashed, jwt::Jwt, jwt::KeySet};
use crate::{access::Pattern, gate};

/// Keys that nobody knows.
static SECRET: LazyLock<(Jwt, KeySet, Hashed)> = LazyLock::new(|| {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).expect("BUG: the system has no randomness");
    let keys = json!({"keys": [{"kty": "oct", "kid": "k", "k": URL_SAFE_NO_PAD.encode(secret)}]});
    let keys = KeySet::parse(keys.to_string().as_bytes()).expect("BUG: the key cannot be used");
    let mut issued = ApiKeys::default();
    let principal = Principal { subject: "ci".into(), ..Principal::default() };
    issued.issue(principal, abide_core::Timestamp::EPOCH, None);
    (Jwt::new(JwtOptions::new("none", "abide")), keys, Hashed::new(&issued))
});

/// Reads a JSON Web Key Set.
pub fn key_set(bytes: &[u8]) -> bool {
    KeySet::parse(bytes).is_ok()
}

/// Whether anybody believes this text, as a header, a token or an API key.
pub fn believed(text: &str) -> bool {
    let (jwt, keys, issued) = &*SECRET;
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let shown = gate::bearer(&headers).ok().flatten().unwrap_or(text);
    [text, shown].into_iter().any(|token| {
        jwt.identify(token, keys, None).is_ok() || issued.identify(token, abide_core::Timestamp::EPOCH).is_ok()
    })
}

/// Whether `{sub}/*` means, for this subject, what is below its name and nothing else; other patterns only
/// have to be read without harm.
pub fn owns(subject: &str, name: &str) -> bool {
    let principal = Principal { subject: subject.into(), roles: Vec::new(), namespace: Namespace::default() };
    let caller = Caller::known(principal, Means::Token);
    if let Ok(pattern) = Pattern::parse(subject) {
        pattern.matches(name, &caller);
        pattern.matches_all(name, &caller);
    }
    let below = name.strip_prefix(subject).is_some_and(|rest| rest.starts_with('/'));
    let own = below && !subject.is_empty() && !subject.contains('/');
    let pattern = Pattern::parse("{sub}/*").expect("BUG: this is a pattern");
    pattern.matches(name, &caller) == own
}
