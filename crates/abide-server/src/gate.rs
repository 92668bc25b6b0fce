//! Who is calling, and may they? Every route, frame and stream asks here and nowhere else.

use abide_core::{Code, Error, Key, Namespace, Result};
use abide_node::CallOptions;
use axum::http::{HeaderMap, HeaderName, header};

use crate::{
    Access, Action, Ask, Caller, Decision, Reason, ServerOptions,
    auth::{Authenticator, Refusal},
    request::headers::text,
};

/// The header that names a tenant.
pub(crate) const NAMESPACE: HeaderName = HeaderName::from_static("abide-namespace");

/// The role that may read `/metrics` and nothing else.
const METRICS: &str = "metrics";

/// The one place that knows who may do what.
#[derive(Debug)]
pub(crate) struct Gate {
    auth: Option<Authenticator>,
    access: Access,
}

impl Gate {
    /// Reads what the options name.
    ///
    /// # Errors
    /// `bad_request` if a file or a rule cannot be used.
    pub(crate) fn new(options: &ServerOptions) -> Result<Self> {
        let auth = options.auth.as_ref().map(Authenticator::new).transpose()?;
        let access = Access::new(&options.access).map_err(|error| Error::bad_request(error.to_string()))?;
        if auth.is_none() && !options.access.is_empty() {
            let detail = "there are access rules and no auth: nobody is asked who they are, so rules cannot hold";
            return Err(Error::bad_request(detail));
        }
        Ok(Self { auth, access })
    }

    /// Whether callers are asked who they are.
    pub(crate) fn asks(&self) -> bool {
        self.auth.is_some()
    }

    /// Whether anybody may do anything here without saying who it is.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.auth.as_ref().is_none_or(Authenticator::admits_anybody)
    }

    /// Who sent these headers, and in which tenant it acts.
    ///
    /// # Errors
    /// `unauthenticated`; `denied` if it names a tenant that it may not; `bad_request`.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller> {
        let namespace = text(headers, &NAMESPACE)?;
        match &self.auth {
            None => self.identify_token(None, namespace),
            Some(_) => self.identify_token(bearer(headers)?, namespace),
        }
    }

    /// Who opens a connection: by its first frame's token, or by the headers of the request that opened it.
    ///
    /// # Errors
    /// Those of [`Gate::identify`].
    pub(crate) fn identify_opening(&self, token: Option<&str>, headers: &HeaderMap) -> Result<Caller> {
        match token {
            Some(token) => self.identify_token(Some(token), text(headers, &NAMESPACE)?),
            None => self.identify(headers),
        }
    }

    /// Who presents this token, and in which tenant it acts if it names one.
    ///
    /// # Errors
    /// Those of [`Gate::identify`].
    pub(crate) fn identify_token(&self, token: Option<&str>, namespace: Option<&str>) -> Result<Caller> {
        let caller = match &self.auth {
            None => Caller::unasked(),
            Some(auth) => auth.identify(token)?,
        };
        match namespace {
            Some(name) if name != caller.namespace().as_str() => self.enter(caller, name),
            _ => Ok(caller),
        }
    }

    /// Lets a caller into another tenant.
    fn enter(&self, caller: Caller, name: &str) -> Result<Caller> {
        if !self.auth.as_ref().is_some_and(|auth| auth.reaches_all_tenants(&caller)) {
            return Err(Error::new(Code::Denied, "the caller may not name another tenant; nothing was changed"));
        }
        Ok(caller.acting_in(Namespace::new(name)?))
    }

    /// Whether this caller may do this, and what says so.
    pub(crate) fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Decision {
        match &self.auth {
            None => Decision::allow(Reason::Open),
            Some(_) if *ask.namespace != *caller.namespace() => Decision::deny(Reason::Tenant),
            Some(_) => self.access.decide(caller, ask),
        }
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// `denied`.
    pub(crate) fn allow(&self, caller: &Caller, ask: &Ask<'_>) -> Result<()> {
        let decision = self.decide(caller, ask);
        if decision.allowed {
            return Ok(());
        }
        tracing::debug!(caller = caller.label(), %ask, %decision, "denied");
        Err(denied(ask, decision.reason))
    }

    /// Refuses a call that the caller may not make; otherwise how it is to be made on the caller's behalf.
    ///
    /// # Errors
    /// `denied`. If the caller may call and not create, the call itself fails so if the object is not there.
    pub(crate) fn allow_call(
        &self,
        caller: &Caller,
        key: &Key,
        handler: &str,
        options: &mut CallOptions,
    ) -> Result<()> {
        options.principal = caller.principal().cloned();
        if !self.asks() {
            return Ok(());
        }
        self.allow(caller, &Ask::handler(Action::Call, key, handler))?;
        options.existing = !self.decide(caller, &Ask::handler(Action::Create, key, handler)).allowed;
        Ok(())
    }

    /// Refuses to show or do to an object what the caller may not see or do.
    ///
    /// # Errors
    /// `denied`.
    pub(crate) fn allow_object(&self, caller: &Caller, action: Action, key: &Key) -> Result<()> {
        self.allow(caller, &Ask::object(action, key))
    }

    /// Refuses to show the metrics of all tenants to those who are neither `metrics` nor administrators.
    ///
    /// # Errors
    /// `denied`.
    pub(crate) fn allow_metrics(&self, caller: &Caller) -> Result<()> {
        let reads = caller.has_role(METRICS) && *caller.namespace() == Namespace::default();
        if reads { Ok(()) } else { self.allow(caller, &Ask::admin(caller.namespace())) }
    }
}

fn denied(ask: &Ask<'_>, reason: Reason) -> Error {
    let more = match reason {
        Reason::Partly(_) => " (some of it is not for it: ask for less, for example by prefix)",
        _ => "",
    };
    Error::new(Code::Denied, format!("the caller may not {ask}{more}; nothing was changed"))
}

/// The token in the headers.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = text(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    match token.trim_start_matches(' ') {
        token if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(Some(token)),
        _ => Err(Refusal::Malformed.into()),
    }
}
