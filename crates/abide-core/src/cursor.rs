//! Where a reader of a stream has got to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Seq, VersionVector};

/// A position in a stream of changes: everything up to it is known to the reader.
///
/// It prints as a text that needs no escaping in a URL and that readers pass back as it is: `s12`, or
/// `va:3,b:5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cursor {
    /// A position in the one log that an owner writes.
    Seq(Seq),
    /// A position among several writers.
    Vector(VersionVector),
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a cursor; pass back one that an earlier answer gave, or none to start at the beginning")]
pub struct InvalidCursor {
    /// The text as it was given, shortened when it is very long.
    pub text: String,
}

impl Cursor {
    /// The position before the first change of a log.
    pub const START: Self = Self::Seq(Seq::ZERO);

    /// The position in a log, if it is one.
    #[must_use]
    pub fn as_seq(&self) -> Option<Seq> {
        match self {
            Self::Seq(seq) => Some(*seq),
            Self::Vector(_) => None,
        }
    }

    /// The position among several writers, if it is one.
    #[must_use]
    pub fn as_vector(&self) -> Option<&VersionVector> {
        match self {
            Self::Seq(_) => None,
            Self::Vector(vector) => Some(vector),
        }
    }
}

impl From<Seq> for Cursor {
    fn from(seq: Seq) -> Self {
        Self::Seq(seq)
    }
}

impl From<VersionVector> for Cursor {
    fn from(vector: VersionVector) -> Self {
        Self::Vector(vector)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seq(seq) => write!(f, "s{seq}"),
            Self::Vector(vector) => write!(f, "v{vector}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        read(text).ok_or_else(|| InvalidCursor { text: text.chars().take(80).collect() })
    }
}

fn read(text: &str) -> Option<Cursor> {
    if let Some(vector) = text.strip_prefix('v') {
        return vector.parse().ok().map(Cursor::Vector);
    }
    let digits = text.strip_prefix('s')?;
    let printed = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let number = digits.parse().ok().filter(|_| printed)?;
    Some(Cursor::Seq(Seq::new(number)))
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ReplicaId;

    #[test]
    fn both_kinds_print_and_parse() {
        let vector: VersionVector = "a:3,b:5".parse().unwrap();
        for (cursor, text) in [
            (Cursor::START, "s0"),
            (Cursor::from(Seq::new(12)), "s12"),
            (Cursor::from(VersionVector::new()), "v"),
            (Cursor::from(vector), "va:3,b:5"),
        ] {
            assert_eq!(cursor.to_string(), text);
            assert_eq!(text.parse::<Cursor>(), Ok(cursor));
        }
    }

    #[test]
    fn a_text_that_no_answer_gave_is_refused_with_what_to_do() {
        for text in ["", "12", "s", "s-1", "s01", "s+1", "s99999999999999999999", "va", "x12", "S12"] {
            let error = text.parse::<Cursor>().unwrap_err();
            assert!(error.to_string().contains("pass back"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_cursor_is_read_back_and_needs_no_escaping(
            seq: Option<u64>,
            counts in prop::collection::btree_map("[a-zA-Z0-9][a-zA-Z0-9_.-]{0,8}", 1..u64::MAX, 0..5),
        ) {
            let writer = |text: String| ReplicaId::new(&text).unwrap();
            let vector: VersionVector = counts.into_iter().map(|(text, n)| (writer(text), n)).collect();
            let cursor = seq.map_or(Cursor::Vector(vector), |seq| Cursor::Seq(Seq::new(seq)));
            let text = cursor.to_string();
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-:,".contains(c)));
            prop_assert_eq!(text.parse(), Ok(cursor));
        }
    }
}
