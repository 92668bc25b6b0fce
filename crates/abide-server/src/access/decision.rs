use std::fmt;

/// Whether a caller may, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// What decided.
    pub reason: Reason,
}

/// What decided. Rules are counted from 1, in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody is asked who they are: there is no `[auth]`, and everybody on this machine may do everything.
    Open,
    /// There are no rules: whoever is known may do everything in its own tenant.
    NoRules,
    /// This rule is the first one that matches.
    Rule(usize),
    /// The last rule, which is not written: the role `admin` in the tenant `default` may look after the node.
    Admin,
    /// No rule matches.
    NoMatch,
    /// This rule concerns some of what would be shown and not the rest.
    Partly(usize),
    /// It concerns all tenants, and the caller belongs to one of them.
    Elsewhere,
    /// It is another tenant's, and the caller has no role that reaches there.
    Tenant,
}

impl Decision {
    pub(crate) fn allow(reason: Reason) -> Self {
        Self { allowed: true, reason }
    }

    pub(crate) fn deny(reason: Reason) -> Self {
        Self { allowed: false, reason }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "denied" };
        match self.reason {
            Reason::Open => write!(f, "{verdict}: there is no [auth], nobody is asked who they are"),
            Reason::NoRules => write!(f, "{verdict}: there are no rules"),
            Reason::Rule(number) => write!(f, "{verdict} by rule {number}, the first that matches"),
            Reason::Admin => {
                write!(f, "{verdict}: no rule says otherwise, and the role admin in the tenant default may")
            }
            Reason::NoMatch => write!(f, "{verdict}: no rule matches"),
            Reason::Partly(number) => {
                write!(f, "{verdict}: rule {number} concerns some of these objects and not others; ask for fewer")
            }
            Reason::Elsewhere => {
                write!(
                    f,
                    "{verdict}: the node concerns all tenants, and only callers of the tenant default look after it"
                )
            }
            Reason::Tenant => {
                write!(f, "{verdict}: it is another tenant's, and none of the caller's roles is in auth.tenant_roles")
            }
        }
    }
}
