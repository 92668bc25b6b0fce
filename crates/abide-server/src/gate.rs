//! Who is calling, and may they? Every route, frame and stream asks here and nowhere else.

use std::{net::IpAddr, num::NonZeroU32};

use abide_core::{Code, Error, Key, Namespace, Result};
use abide_node::CallOptions;
use axum::http::{HeaderMap, HeaderName, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::counter;

use crate::{
    Access, Action, Ask, Caller, Decision, Reason, ServerOptions,
    audit::Audit,
    auth::{Authenticator, Refusal},
    peer::Peer,
    rate::Shares,
    request::headers::text,
};

/// How many refusals a second are logged: whoever knocks on the door a million times must not fill the disk.
const TOLD_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");

/// The header that names a tenant.
pub(crate) const NAMESPACE: HeaderName = HeaderName::from_static("abide-namespace");

/// The role that may read `/metrics` and nothing else.
const METRICS: &str = "metrics";

/// The one place that knows who may do what.
///
/// A server has one of its own; by itself it answers what the server with these options would decide.
#[derive(Debug)]
pub struct Gate {
    auth: Option<Authenticator>,
    access: Access,
    shares: Shares,
    audit: Audit,
    told: Told,
}

impl Gate {
    /// Reads what the options name.
    ///
    /// # Errors
    /// `bad_request` if a file or a rule cannot be used.
    pub fn new(options: &ServerOptions) -> Result<Self> {
        let auth = options.auth.as_ref().map(Authenticator::new).transpose()?;
        let access = Access::new(&options.access).map_err(|error| Error::bad_request(error.to_string()))?;
        if auth.is_none() && !options.access.is_empty() {
            let detail = "there are access rules and no auth: nobody is asked who they are, so rules cannot hold";
            return Err(Error::bad_request(detail));
        }
        let (shares, audit) = (Shares::new(options.rates), Audit::new(options.audit.as_deref())?);
        Ok(Self { auth, access, shares, audit, told: Told::default() })
    }

    /// Whether callers are asked who they are.
    pub(crate) fn asks(&self) -> bool {
        self.auth.is_some()
    }

    /// Whether anybody may do anything here without saying who it is.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.auth.as_ref().is_none_or(Authenticator::admits_anybody)
    }

    /// Lets a request in, and says who sent it and in which tenant it acts.
    ///
    /// # Errors
    /// `unauthenticated`; `rate_limited`; `denied` if it names a tenant that it may not; `bad_request`.
    pub(crate) fn identify(&self, headers: &HeaderMap, peer: &Peer) -> Result<Caller> {
        self.identify_opening(None, headers, peer)
    }

    /// Who opens a connection: by its first frame's token, or by the headers of the request that opened it.
    ///
    /// # Errors
    /// Those of [`Gate::identify`].
    pub(crate) fn identify_opening(&self, token: Option<&str>, headers: &HeaderMap, peer: &Peer) -> Result<Caller> {
        let known = || {
            let namespace = text(headers, &NAMESPACE)?;
            let token = if self.asks() && token.is_none() { bearer(headers)? } else { token };
            let caller = self.known(token, peer.certified.as_ref())?.at(peer.address);
            // Before the tenant: whoever knocks at tenants' doors uses up its share.
            self.spend(&caller)?;
            self.enter(caller, namespace)
        };
        known().inspect_err(|error| self.tell(error, &peer.address))
    }

    /// Who presents this token, and in which tenant it acts if it names one.
    ///
    /// # Errors
    /// Those of a request: `unauthenticated`, or `denied` if it names a tenant that it may not.
    pub fn identify_token(&self, token: Option<&str>, namespace: Option<&str>) -> Result<Caller> {
        let known = self.known(token, None).and_then(|caller| self.enter(caller, namespace));
        known.inspect_err(|error| self.tell(error, &"a token"))
    }

    /// A token counts for more than a certificate: whoever shows one wants to be somebody else.
    fn known(&self, token: Option<&str>, certified: Option<&Caller>) -> Result<Caller> {
        Ok(match (&self.auth, token, certified) {
            (None, ..) => Caller::unasked(),
            (Some(_), None, Some(certified)) => certified.clone(),
            (Some(auth), token, _) => auth.identify(token)?,
        })
    }

    /// Lets a caller into another tenant, if it names one. That is written down, whatever comes of it.
    fn enter(&self, caller: Caller, namespace: Option<&str>) -> Result<Caller> {
        let Some(name) = namespace.filter(|name| *name != caller.namespace().as_str()) else { return Ok(caller) };
        if !self.auth.as_ref().is_some_and(|auth| auth.reaches_all_tenants(&caller)) {
            self.audit.record(&caller, "tenant", &name.chars().take(80).collect::<String>(), false);
            return Err(Error::new(Code::Denied, "the caller may not name another tenant; nothing was changed"));
        }
        let caller = caller.acting_in(Namespace::new(name)?);
        self.audit.record(&caller, "tenant", name, true);
        Ok(caller)
    }

    /// Takes one request from the share of an address, before anything else is looked at.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(crate) fn arrive(&self, address: IpAddr) -> Result<()> {
        self.shares.take_of_address(address).inspect_err(|error| self.tell(error, &address))
    }

    /// Takes one request or frame from the share of a caller. Those who have no name have one by their address.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(crate) fn spend(&self, caller: &Caller) -> Result<()> {
        let Some(principal) = caller.principal().filter(|_| self.shares.has_principals()) else { return Ok(()) };
        match caller.name() {
            Some(name) => self.shares.take_of_principal(&(&principal.namespace, name)),
            None => self.shares.take_of_nobody(caller.address()),
        }
    }

    /// Takes one frame of a connection from the shares of its caller: its address's, as each request does, and
    /// its own.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(crate) fn spend_frame(&self, caller: &Caller) -> Result<()> {
        let of_address = caller.address().map_or(Ok(()), |address| self.shares.take_of_address(address));
        of_address.and_then(|()| self.spend(caller)).inspect_err(|error| self.tell(error, &caller.label()))
    }

    /// Counts a refusal, and logs it unless there are very many.
    fn tell(&self, error: &Error, whose: &dyn std::fmt::Display) {
        counter!("abide_refused_total", "code" => error.code().as_str()).increment(1);
        if self.told.check() {
            tracing::info!(from = %whose, %error, "refused");
        }
    }

    /// Whether this caller may do this, and what says so.
    pub fn decide(&self, caller: &Caller, ask: &Ask<'_>) -> Decision {
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
        // Looking is no act: an inspector looks every second.
        if ask.action == Action::Delete || (ask.action == Action::Admin && !decision.allowed) {
            self.audit.record(caller, ask.action.as_str(), &ask.to_string(), decision.allowed);
        }
        if decision.allowed {
            return Ok(());
        }
        let error = denied(ask, decision.reason);
        self.tell(&error, &caller.label());
        Err(error)
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

/// What was told of refusals lately.
struct Told(DefaultDirectRateLimiter);

impl Default for Told {
    fn default() -> Self {
        Self(RateLimiter::direct(Quota::per_second(TOLD_PER_SECOND)))
    }
}

impl Told {
    /// Whether one more may be told.
    fn check(&self) -> bool {
        self.0.check().is_ok()
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
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
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = text(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    match token.trim_start_matches(' ') {
        token if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(Some(token)),
        _ => Err(Refusal::Malformed.into()),
    }
}
