use std::{path::PathBuf, time::Duration};

use abide_core::Namespace;

/// How callers are asked who they are.
#[derive(Clone, Debug, Default)]
pub struct AuthOptions {
    /// Tokens that somebody else signs.
    pub jwt: Option<JwtOptions>,
    /// The file with the hashes of API keys (see [`ApiKeys`](super::ApiKeys)); read again when it changes.
    pub keys: Option<PathBuf>,
    /// What callers without a token may act as. `None`: they are turned away.
    pub anonymous: Option<Anonymous>,
    /// Whoever has one of these roles may name any tenant.
    pub tenant_roles: Vec<String>,
}

/// Callers who have not said who they are.
#[derive(Clone, Debug, Default)]
pub struct Anonymous {
    /// Their roles.
    pub roles: Vec<String>,
    /// Their tenant.
    pub namespace: Namespace,
}

/// Which JWTs are believed.
#[derive(Clone, Debug)]
pub struct JwtOptions {
    /// The file with the keys of whoever signs them, a JSON Web Key Set; read again when it changes.
    pub jwks: PathBuf,
    /// Whom they are meant for: a token names one of these in `aud`.
    pub audience: Vec<String>,
    /// Who they come from: a token names one of these in `iss`. Empty: anybody who has a key.
    pub issuer: Vec<String>,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// The claim with the caller's roles, a list or a text with spaces; a path into objects has dots.
    pub roles_claim: String,
    /// The claim with the caller's tenant, which tokens then must have. `None`: `namespace`, if it is there.
    pub namespace_claim: Option<String>,
    /// The file with the `jti` of each token that is taken back before its time, one a line; read again when
    /// it changes. With it, tokens must have a `jti`.
    pub revoked: Option<PathBuf>,
}

impl JwtOptions {
    /// Tokens signed by the keys in this file and meant for this audience.
    pub fn new(jwks: impl Into<PathBuf>, audience: impl Into<String>) -> Self {
        Self {
            jwks: jwks.into(),
            audience: vec![audience.into()],
            issuer: Vec::new(),
            leeway: Duration::from_secs(30),
            roles_claim: "roles".into(),
            namespace_claim: None,
            revoked: None,
        }
    }
}
