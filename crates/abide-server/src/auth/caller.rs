use std::{net::IpAddr, sync::Arc};

use abide_core::{Namespace, Timestamp};
use abide_node::Principal;
use serde_json::{Map, Value};

/// Whoever sent a request: who it is, how that is known, and in which tenant it acts.
///
/// Cloning is cheap. A route finds it among the extensions of its request.
#[derive(Clone, Debug)]
pub struct Caller {
    who: Option<Arc<Who>>,
    namespace: Namespace,
    address: Option<IpAddr>,
}

#[derive(Debug)]
struct Who {
    principal: Arc<Principal>,
    claims: Map<String, Value>,
    expires_at: Option<Timestamp>,
    means: Means,
    /// The fingerprint of the key that signed its token, or of those who vouched for its certificate.
    signer: Option<[u8; 32]>,
}

/// How it is known who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// It is not: the node asks nobody.
    Nobody,
    /// It is not: the node lets anybody in.
    Anonymous,
    /// By a token that somebody signed.
    Token,
    /// By the API key with this id.
    Key(String),
    /// By the certificate that its connection has shown.
    Certificate,
}

/// The name of callers who have not said theirs. Nobody else can have it.
pub(crate) const ANONYMOUS: &str = "anonymous";

impl Caller {
    /// A caller whom nobody asked: there is no authentication.
    pub fn unasked() -> Self {
        Self { who: None, namespace: Namespace::default(), address: None }
    }

    /// A caller whose token said so.
    pub fn known(principal: Principal, means: Means) -> Self {
        let namespace = principal.namespace.clone();
        let who = Who { principal: Arc::new(principal), claims: Map::new(), expires_at: None, means, signer: None };
        Self { who: Some(Arc::new(who)), namespace, address: None }
    }

    /// Adds what else its token says, and until when it holds.
    #[must_use]
    pub fn with_claims(self, claims: Map<String, Value>, expires_at: Option<Timestamp>) -> Self {
        let Some(who) = &self.who else { return self };
        let (principal, means) = (who.principal.clone(), who.means.clone());
        let who = Who { principal, claims, expires_at, means, signer: who.signer };
        Self { who: Some(Arc::new(who)), ..self }
    }

    /// Remembers which key signed its token, or who vouched for its certificate. Nobody else must know this
    /// caller yet.
    #[must_use]
    pub(crate) fn signed_by(mut self, signer: [u8; 32]) -> Self {
        if let Some(who) = self.who.as_mut().and_then(Arc::get_mut) {
            who.signer = Some(signer);
        }
        self
    }

    /// The fingerprint of the key that signed its token, or of those who vouched for its certificate.
    pub(super) fn signer(&self) -> Option<&[u8; 32]> {
        self.who.as_ref()?.signer.as_ref()
    }

    /// The same caller, acting in another tenant. Whether it may is for the gate to say.
    #[must_use]
    pub(crate) fn acting_in(self, namespace: Namespace) -> Self {
        Self { namespace, ..self }
    }

    /// The same caller, at this address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The address that it called from, if that is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What handlers see of it; `None` if nobody asked.
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.who.as_ref().map(|who| &who.principal)
    }

    /// The tenant in which it acts: its own, unless a role of its lets it name another.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// How it is known who it is.
    pub fn means(&self) -> Means {
        self.who.as_ref().map_or(Means::Nobody, |who| who.means.clone())
    }

    /// Until when it is known; a connection that lives longer ends then.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.who.as_ref()?.expires_at
    }

    /// Whether it has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.principal().is_some_and(|principal| principal.roles.iter().any(|known| known == role))
    }

    /// Whether its own tenant is that of the node: only there are those who look after it.
    pub(crate) fn is_of_the_node(&self) -> bool {
        self.principal().is_some_and(|principal| principal.namespace == Namespace::default())
    }

    /// What its token claims under this name. `sub`, `namespace` and `roles` are asked for otherwise.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.who.as_ref()?.claims.get(name)
    }

    /// Its own name, if it has one to itself.
    pub(crate) fn name(&self) -> Option<&str> {
        let who = self.who.as_ref().filter(|who| who.means != Means::Anonymous)?;
        Some(&who.principal.subject)
    }

    /// What limits and logs know it by: its name and its tenant, or nothing.
    pub(crate) fn label(&self) -> String {
        match self.principal() {
            Some(principal) if principal.namespace == Namespace::default() => principal.subject.clone(),
            Some(principal) => format!("{}@{}", principal.subject, principal.namespace),
            None => "nobody asked".into(),
        }
    }
}
