use abide_core::Namespace;
use serde::{Deserialize, Serialize};

/// Who is calling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The caller's name, unique within its issuer.
    pub subject: String,
    /// What it may act as.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The tenant it belongs to.
    #[serde(default)]
    pub namespace: Namespace,
}

impl Principal {
    /// What its idempotency keys belong to: the same subject in two tenants is two callers.
    pub(crate) fn scope(&self) -> String {
        // A tenant's name has no slash.
        format!("{}/{}", self.namespace, self.subject)
    }
}
