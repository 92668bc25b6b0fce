use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One rule, as it is written: whoever it means may, or may not, do what it names.
///
/// What is left out means anything. `kind`, `id`, `handler` and `namespace` are patterns, of which one has
/// to match: `*` is any run of characters, `{sub}` the caller's own name, `{namespace}` its tenant and
/// `{claims.NAME}` a claim of its token. Names are compared byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The actions it allows; `*` is all but `admin`. A rule has either this or `deny`.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// The actions it denies; `*` is all of them.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Kinds.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub kind: Vec<String>,
    /// Ids.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub id: Vec<String>,
    /// Handlers. They have a say in `call` and `create` alone.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub handler: Vec<String>,
    /// Tenants whose objects are asked for.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub namespace: Vec<String>,
    /// The caller has one of these roles.
    #[serde(with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The caller's token has each of these claims with this value, or one of these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
}

/// `"a"` and `["a"]` mean the same.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) if texts.is_empty() => {
                return Err(serde::de::Error::custom("an empty list means nobody and nothing; leave the key out"));
            }
            OneOrMany::Many(texts) => texts,
        })
    }

    pub(super) fn serialize<S: Serializer>(texts: &Vec<String>, serializer: S) -> Result<S::Ok, S::Error> {
        match texts.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}
