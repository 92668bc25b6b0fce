//! Who is calling, and may they? Every route, frame and stream asks here and nowhere else.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use abide_core::{Code, Error, Key, Kind, Namespace, Result};
use abide_node::CallOptions;
use axum::http::{HeaderMap, HeaderName, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::counter;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    Access, Action, Ask, AuthOptions, Caller, Decision, Means, Reason, ServerOptions,
    audit::Audit,
    auth::{Authenticator, Refusal, certificate::Authorities},
    peer::Peer,
    rate::Shares,
    request::headers::text,
    watched::Reloads,
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
    reloads: Reloads,
    told: Told,
}

impl Gate {
    /// Reads what the options name.
    ///
    /// # Errors
    /// `bad_request` if a file or a rule cannot be used.
    pub fn new(options: &ServerOptions) -> Result<Self> {
        let audit = Audit::new(options.audit.as_ref())?;
        let reloads = Reloads::new(audit.clone());
        let certificates = options.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        // Whoever asks for certificates asks callers who they are.
        let asks = options.auth.clone().or_else(|| certificates.then(AuthOptions::default));
        let auth = asks.map(|asks| Authenticator::new(&asks, certificates, &reloads)).transpose()?;
        let access = Access::new(&options.access).map_err(|error| Error::bad_request(error.to_string()))?;
        if auth.is_none() && !options.access.is_empty() {
            let detail = "there are access rules and no auth: nobody is asked who they are, so rules cannot hold";
            return Err(Error::bad_request(detail));
        }
        Ok(Self { auth, access, shares: Shares::new(options.rates), audit, reloads, told: Told::default() })
    }

    /// Whether callers are asked who they are.
    pub(crate) fn asks(&self) -> bool {
        self.auth.is_some()
    }

    /// Whether anybody may do anything here without saying who it is.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.auth.as_ref().is_none_or(Authenticator::admits_anybody)
    }

    /// Who hears when files are read again that say who is who.
    pub(crate) fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// Who vouches for certificates, if callers may show any.
    pub(crate) fn authorities(&self) -> Option<&Authorities> {
        self.auth.as_ref().and_then(Authenticator::authorities)
    }

    /// Marked as changed whenever files were read again that say who is who: what callers have shown may not
    /// hold any more.
    pub fn reloaded(&self) -> watch::Receiver<u64> {
        self.reloads.listen()
    }

    /// Whether what a caller has shown would still be believed, but for its time: a key may have been revoked,
    /// a token taken back, whoever signed it may be trusted no more.
    pub fn holds(&self, caller: &Caller) -> bool {
        self.auth.as_ref().is_none_or(|auth| auth.holds(caller))
    }

    /// Writes down that the node begins to let callers in, and under how many rules: those are read at no
    /// other time.
    pub(crate) fn record_start(&self, from: &str) {
        let what = match &self.auth {
            None => "nobody is asked who they are".to_owned(),
            Some(_) => format!("access rules: {}", self.access.count()),
        };
        self.audit.record_own(from, "start", &what, true);
    }

    /// Waits until the audit log is written, at most so long.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.audit.finish(patience).await;
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
            (Some(auth), None, Some(certified)) => auth.certified(certified)?,
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
    pub(crate) fn tell(&self, error: &Error, whose: &dyn std::fmt::Display) {
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
        if decision.allowed { Ok(()) } else { self.deny(caller, ask, decision.reason) }
    }

    fn deny(&self, caller: &Caller, ask: &Ask<'_>, reason: Reason) -> Result<()> {
        let mut error = denied(ask, reason);
        if caller.means() == Means::Anonymous {
            // A token could help, as where nobody is let in without one.
            error = error.with_data(json!({"token": Refusal::Missing.as_str()}));
        }
        self.tell(&error, &caller.label());
        Err(error)
    }

    /// Refuses to list the sessions of others to who does not look after the node.
    ///
    /// # Errors
    /// `denied`.
    pub(crate) fn allow_sessions(&self, caller: &Caller, kind: &Kind) -> Result<()> {
        if self.sees_sessions(caller) {
            return Ok(());
        }
        let detail = format!("{kind} are sessions of clients, and are shown to who looks after the node alone");
        let error = Error::new(Code::Denied, detail);
        self.tell(&error, &caller.label());
        Err(error)
    }

    /// Whether a caller may see the sessions of others.
    pub(crate) fn sees_sessions(&self, caller: &Caller) -> bool {
        self.decide(caller, &Ask::admin(caller.namespace())).allowed
    }

    /// Refuses an act of looking after the node that the caller may not do. It is written down in either case.
    ///
    /// # Errors
    /// `denied`.
    pub(crate) fn allow_act(&self, caller: &Caller, act: &str, what: &str) -> Result<()> {
        let ask = Ask::admin(caller.namespace());
        let decision = self.decide(caller, &ask);
        self.audit.record(caller, act, what, decision.allowed);
        if decision.allowed { Ok(()) } else { self.deny(caller, &ask, decision.reason) }
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

    /// Notes how a call failed that might only be made of an object that is there (`existing`): whether it would
    /// have made one is known in its turn.
    pub(crate) fn noted(&self, caller: &Caller, existing: bool, error: &Error) {
        if existing && error.code() == Code::Denied {
            self.tell(error, &caller.label());
        }
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
        let reads = caller.has_role(METRICS) && caller.is_of_the_node();
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
        Reason::Elsewhere => " (that is for callers of the tenant default)",
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use abide_core::Timestamp;
    use abide_node::Principal;
    use serde_json::Map;

    use super::*;
    use crate::{ClientCertificates, TlsOptions, reads::ReadsOfCallers, stranger::Stranger};

    const NOW: [u8; 32] = [1; 32];

    fn gate() -> Gate {
        let clients = Some(ClientCertificates { ca: "ca.pem".into(), required: true });
        let tls = Some(TlsOptions { clients, ..TlsOptions::new("server.pem", "server-key.pem") });
        let gate = Gate::new(&ServerOptions { tls, ..ServerOptions::default() }).unwrap();
        gate.authorities().unwrap().become_those(NOW);
        gate
    }

    /// Why the holder of a certificate is refused, if it is.
    fn refused(gate: &Gate, end: Timestamp, authorities: [u8; 32]) -> Option<String> {
        let principal = Principal { subject: "billing".into(), ..Principal::default() };
        let caller = Caller::known(principal, Means::Certificate).with_claims(Map::new(), Some(end));
        let certified = Some(caller.signed_by(authorities));
        let reads = ReadsOfCallers::default();
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), certified, stranger: Stranger::default(), reads };
        let error = gate.identify(&HeaderMap::new(), &peer).err()?;
        assert_eq!(error.code(), Code::Unauthenticated);
        Some(error.data().unwrap()["token"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_certificate_that_does_not_hold_any_more_names_nobody() {
        let (gate, ever) = (gate(), Timestamp::from_millis(i64::MAX));
        assert_eq!(refused(&gate, ever, NOW), None);
        assert_eq!(refused(&gate, Timestamp::from_millis(1), NOW), Some("expired".into()));
        assert_eq!(refused(&gate, ever, [2; 32]), Some("revoked".into()));
        gate.authorities().unwrap().become_those([2; 32]);
        assert_eq!(refused(&gate, ever, NOW), Some("revoked".into()));
        assert_eq!(refused(&gate, ever, [2; 32]), None);
    }
}
