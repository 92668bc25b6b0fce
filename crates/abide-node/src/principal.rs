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
