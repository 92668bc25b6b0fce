use abide_core::{Namespace, Timestamp};
use abide_node::Principal;
use serde_json::{Map, Value};

use crate::auth::{Caller, JwtOptions, Means, Refusal, caller::ANONYMOUS};

/// The longest name of a caller, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// How many roles are taken.
const ROLES_MAX: usize = 100;

/// The claim with the tenant unless the configuration names another.
const NAMESPACE: &str = "namespace";

/// The caller whom these claims describe. They are true; what they lack or garble is refused.
pub(super) fn caller(claims: Map<String, Value>, options: &JwtOptions) -> Result<Caller, Refusal> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || subject == ANONYMOUS {
        return Err(Refusal::Claims);
    }
    let roles = roles(find(&claims, &options.roles_claim))?;
    let namespace = match (&options.namespace_claim, find(&claims, NAMESPACE)) {
        (Some(name), _) => namespace(find(&claims, name).ok_or(Refusal::Claims)?)?,
        (None, Some(value)) => namespace(value)?,
        (None, None) => Namespace::default(),
    };
    let expires_at = claims.get("exp").and_then(Value::as_f64).map(|seconds| {
        #[expect(clippy::cast_possible_truncation, reason = "a moment too far away becomes the last one there is")]
        let exp = Timestamp::from_millis((seconds * 1000.0) as i64);
        exp.plus(options.leeway)
    });
    Ok(Caller::known(Principal { subject, roles, namespace }, Means::Token).with_claims(claims, expires_at))
}

/// A claim by its name, or, if there is none of that name, by its path into objects.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let found = claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        find(claims.get(outer)?.as_object()?, inner)
    });
    found.filter(|value| !value.is_null())
}

fn roles(claim: Option<&Value>) -> Result<Vec<String>, Refusal> {
    let roles: Vec<String> = match claim {
        None => Vec::new(),
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(list)) => {
            let text = |role: &Value| role.as_str().map(str::to_owned).ok_or(Refusal::Claims);
            list.iter().map(text).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(Refusal::Claims),
    };
    if roles.len() > ROLES_MAX { Err(Refusal::Claims) } else { Ok(roles) }
}

fn namespace(claim: &Value) -> Result<Namespace, Refusal> {
    claim.as_str().and_then(|name| Namespace::new(name).ok()).ok_or(Refusal::Claims)
}
