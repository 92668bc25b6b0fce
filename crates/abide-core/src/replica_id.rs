//! Who writes, when several may.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::key::InvalidName;

/// The longest replica id, in bytes.
pub const REPLICA_ID_BYTES_MAX: usize = 128;

/// The name of a writer among several: a node, or a replica that works offline.
///
/// 1 to 128 letters, digits, `_`, `-` and `.` of ASCII, starting with a letter or digit; a ULID or UUID is
/// the usual choice. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ReplicaId(Arc<str>);

impl ReplicaId {
    /// Checks the text and makes an id of it.
    ///
    /// # Errors
    /// [`InvalidName`] when it is empty, too long, or has a character it may not have.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let what = "replica id";
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        match text.len() {
            0 => Err(InvalidName::Empty { what }),
            bytes if bytes > REPLICA_ID_BYTES_MAX => {
                Err(InvalidName::TooLong { what, bytes, max: REPLICA_ID_BYTES_MAX })
            }
            _ if text.chars().all(legal) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidName::Character { what, name: text.chars().take(80).collect() }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for ReplicaId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_no_escaping_are_ids() {
        for text in ["a", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "node-1.eu_2"] {
            assert_eq!(ReplicaId::new(text).unwrap().as_str(), text);
        }
        for text in ["", "-a", "a:b", "a,b", "a b", "ä", &"x".repeat(129)] {
            assert!(ReplicaId::new(text).is_err(), "{text:?}");
        }
    }
}
