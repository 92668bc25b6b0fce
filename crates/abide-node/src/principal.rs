use std::sync::Arc;

use abide_core::{Error, Json, Namespace, Result};
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
    /// The one that was kept with an alarm or a message. What nobody can read is an error, and never nobody:
    /// without a principal it is the program itself that calls.
    pub(crate) fn read(kept: Option<&Json>) -> Result<Option<Arc<Self>>> {
        let read = kept.map(Json::decode::<Self>).transpose();
        let principal = read.map_err(|error| {
            Error::bad_request(format!("on whose behalf it is cannot be read: {error}; nothing was changed"))
        })?;
        Ok(principal.map(Arc::new))
    }

    /// As it is kept with an alarm or a message. If it could not be written it would be one that nobody can read.
    pub(crate) fn kept(&self) -> Json {
        Json::of(self).unwrap_or_else(|_| Json::null())
    }

    /// What its idempotency keys belong to: the same subject in two tenants is two callers.
    pub(crate) fn scope(&self) -> String {
        // A tenant's name has no slash.
        format!("{}/{}", self.namespace, self.subject)
    }
}

#[cfg(test)]
mod tests {
    use abide_core::error::Code;

    use super::*;

    #[test]
    fn whoever_cannot_be_read_is_not_the_program_itself() {
        let alice = Principal { subject: "alice".into(), ..Principal::default() };
        let kept = Json::of(&alice).unwrap();
        assert_eq!(Principal::read(None).unwrap(), None);
        assert_eq!(Principal::read(Some(&kept)).unwrap().as_deref(), Some(&alice));
        for damaged in ["{}", "null", "\"alice\"", r#"{"subject": 7}"#] {
            let error = Principal::read(Some(&Json::trusted(damaged.to_owned()))).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest, "{damaged}");
        }
    }
}
