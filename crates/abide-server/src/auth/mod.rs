//! Who is calling? Tokens that somebody signed, API keys that this node made, or nobody in particular.

mod api_keys;
mod caller;
pub(crate) mod certificate;
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
    certificate::Authorities,
    jwt::{Jwt, KeySet, Revoked},
};
pub use self::{
    api_keys::{ApiKey, ApiKeys},
    caller::{Caller, Means},
    options::{Anonymous, AuthOptions, JwtOptions},
};
use crate::watched::{Reloads, Watched};

/// The longest token of any kind, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = jwt::TOKEN_BYTES_MAX;

/// Knows who is calling.
#[derive(Debug)]
pub(crate) struct Authenticator {
    jwt: Option<Signed>,
    keys: Option<Watched<Hashed>>,
    anonymous: Option<Caller>,
    tenant_roles: Vec<String>,
    /// Who vouches for certificates, if connections may show any.
    authorities: Option<Authorities>,
}

/// What is needed to believe tokens that somebody else signs.
#[derive(Debug)]
struct Signed {
    jwt: Jwt,
    keys: Watched<KeySet>,
    revoked: Option<Watched<Revoked>>,
}

impl Authenticator {
    /// Reads what it needs to know, and goes on doing so when it changes.
    ///
    /// # Errors
    /// `bad_request` if a file cannot be read, or nobody could ever be known.
    pub(crate) fn new(options: &AuthOptions, certificates: bool, reloads: &Reloads) -> Result<Self> {
        if options.jwt.is_none() && options.keys.is_none() && options.anonymous.is_none() && !certificates {
            return Err(Error::bad_request(
                "auth has neither `jwt` nor `keys` nor `anonymous`: nobody could ever call",
            ));
        }
        let jwt = options.jwt.as_ref().map(|options| Signed::new(options, reloads));
        let keys = options.keys.as_ref().map(|path| {
            let path = path.clone();
            let read = move || Ok(Hashed::new(&ApiKeys::read(&path)?));
            Watched::read("the API keys", options.keys.iter().cloned().collect(), reloads, read)
                .map_err(Error::bad_request)
        });
        let anonymous = options.anonymous.as_ref().map(|Anonymous { roles, namespace }| {
            let (subject, roles) = (caller::ANONYMOUS.into(), roles.clone());
            Caller::known(Principal { subject, roles, namespace: namespace.clone() }, Means::Anonymous)
        });
        let (jwt, keys) = (jwt.transpose()?, keys.transpose()?);
        let authorities = certificates.then(Authorities::default);
        Ok(Self { jwt, keys, anonymous, tenant_roles: options.tenant_roles.clone(), authorities })
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
            (false, _, Some(signed)) => signed.identify(token),
            (false, _, None) => Err(Refusal::Malformed),
        }
    }

    /// Whom the certificate of a connection names, if that still holds: the connection may be an old one.
    pub(crate) fn certified(&self, caller: &Caller) -> Result<Caller, Refusal> {
        if caller.expires_at().is_some_and(|end| end <= SystemClock.now()) {
            return Err(Refusal::Expired);
        }
        if self.holds(caller) { Ok(caller.clone()) } else { Err(Refusal::Revoked) }
    }

    /// Who vouches for certificates; whoever reads that anew says so there.
    pub(crate) fn authorities(&self) -> Option<&Authorities> {
        self.authorities.as_ref()
    }

    /// Whether what a caller has shown would still be believed, but for its time. It may have been taken back.
    pub(crate) fn holds(&self, caller: &Caller) -> bool {
        match caller.means() {
            Means::Nobody => false,
            Means::Anonymous => self.anonymous.is_some(),
            Means::Token => self.jwt.as_ref().is_some_and(|signed| signed.holds(caller)),
            Means::Key(id) => self.keys.as_ref().is_some_and(|keys| keys.get().holds(&id, caller)),
            Means::Certificate => self.authorities.as_ref().is_some_and(|authorities| authorities.know(caller)),
        }
    }

    /// Whether callers without a token are let in. Browsers show certificates to whoever asks, also for pages
    /// of others.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.anonymous.is_some() || self.authorities.is_some()
    }

    /// Whether this caller may name other tenants than its own.
    pub(crate) fn reaches_all_tenants(&self, caller: &Caller) -> bool {
        self.tenant_roles.iter().any(|role| caller.has_role(role))
    }
}

impl Signed {
    fn new(options: &JwtOptions, reloads: &Reloads) -> Result<Self> {
        if options.audience.is_empty() {
            return Err(Error::bad_request("auth.jwt has no audience: tokens meant for others would be believed"));
        }
        let path = options.jwks.clone();
        let read = move || {
            let keys = KeySet::read(&path)?;
            keys.unused.iter().for_each(|why| tracing::warn!(why, "a key of the set is not used"));
            Ok(keys)
        };
        let keys = Watched::read("the keys that sign tokens", vec![options.jwks.clone()], reloads, read);
        let revoked = options.revoked.clone().map(|path| {
            let files = vec![path.clone()];
            Watched::read("the tokens that are taken back", files, reloads, move || Revoked::read(&path))
        });
        let (keys, revoked) = (keys.map_err(Error::bad_request)?, revoked.transpose().map_err(Error::bad_request)?);
        Ok(Self { jwt: Jwt::new(options.clone()), keys, revoked })
    }

    fn identify(&self, token: &str) -> Result<Caller, Refusal> {
        let revoked = self.revoked.as_ref().map(Watched::get);
        self.jwt.identify(token, &self.keys.get(), revoked.as_deref())
    }

    fn holds(&self, caller: &Caller) -> bool {
        let revoked = self.revoked.as_ref().map(Watched::get);
        self.jwt.holds(caller, &self.keys.get(), revoked.as_deref())
    }
}
