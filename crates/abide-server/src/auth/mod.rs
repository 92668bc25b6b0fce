//! Who is calling? Tokens that somebody signed, API keys that this node made, or nobody in particular.

mod api_keys;
mod caller;
pub(crate) mod fuzz;
mod jwt;
mod options;
mod refusal;
#[cfg(test)]
mod tests;

use abide_core::{Clock, Error, Result};
use abide_node::{Principal, SystemClock};

pub(crate) use self::refusal::Refusal;
use self::{
    api_keys::Hashed,
    jwt::{Jwt, KeySet},
};
pub use self::{
    api_keys::{ApiKey, ApiKeys},
    caller::{Caller, Means},
    options::{Anonymous, AuthOptions, JwtOptions},
};
use crate::watched::Watched;

/// The longest token of any kind, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = jwt::TOKEN_BYTES_MAX;

/// Knows who is calling.
#[derive(Debug)]
pub(crate) struct Authenticator {
    jwt: Option<(Jwt, Watched<KeySet>)>,
    keys: Option<Watched<Hashed>>,
    anonymous: Option<Caller>,
    tenant_roles: Vec<String>,
}

impl Authenticator {
    /// Reads what it needs to know, and goes on doing so when it changes.
    ///
    /// # Errors
    /// `bad_request` if a file cannot be read, or nobody could ever be known.
    pub(crate) fn new(options: &AuthOptions) -> Result<Self> {
        if options.jwt.is_none() && options.keys.is_none() && options.anonymous.is_none() {
            return Err(Error::bad_request(
                "auth has neither `jwt` nor `keys` nor `anonymous`: nobody could ever call",
            ));
        }
        let jwt = options.jwt.as_ref().map(|options| {
            if options.audience.is_empty() {
                return Err(Error::bad_request("auth.jwt has no audience: tokens meant for others would be believed"));
            }
            let path = options.jwks.clone();
            let keys = Watched::read("the keys that sign tokens", vec![path.clone()], move || {
                let keys = KeySet::read(&path)?;
                keys.unused.iter().for_each(|why| tracing::warn!(why, "a key of the set is not used"));
                Ok(keys)
            });
            Ok((Jwt::new(options.clone()), keys.map_err(Error::bad_request)?))
        });
        let keys = options.keys.as_ref().map(|path| {
            let path = path.clone();
            Watched::read("the API keys", vec![path.clone()], move || Ok(Hashed::new(&ApiKeys::read(&path)?)))
                .map_err(Error::bad_request)
        });
        let anonymous = options.anonymous.as_ref().map(|Anonymous { roles, namespace }| {
            let (subject, roles) = (caller::ANONYMOUS.into(), roles.clone());
            Caller::known(Principal { subject, roles, namespace: namespace.clone() }, Means::Anonymous)
        });
        let (jwt, keys) = (jwt.transpose()?, keys.transpose()?);
        Ok(Self { jwt, keys, anonymous, tenant_roles: options.tenant_roles.clone() })
    }

    /// Who presents this token, or no token.
    pub(crate) fn identify(&self, token: Option<&str>) -> Result<Caller, Refusal> {
        let Some(token) = token else {
            return self.anonymous.clone().ok_or(Refusal::Missing);
        };
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        match (token.starts_with(api_keys::PREFIX), &self.keys, &self.jwt) {
            (true, Some(keys), _) => keys.get().identify(token, SystemClock.now()),
            (true, None, _) => Err(Refusal::Unknown),
            (false, _, Some((jwt, keys))) => jwt.identify(token, &keys.get()),
            (false, _, None) => Err(Refusal::Malformed),
        }
    }

    /// Whether callers without a token are let in.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Whether this caller may name other tenants than its own.
    pub(crate) fn reaches_all_tenants(&self, caller: &Caller) -> bool {
        self.tenant_roles.iter().any(|role| caller.has_role(role))
    }
}
