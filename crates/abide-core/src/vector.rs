//! Version vectors: how much of each writer's work is known.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::ReplicaId;

/// The longest printed version vector that is read, in bytes.
pub const VECTOR_BYTES_MAX: usize = 64 * 1024;

/// For every writer, up to which of its items everything is known.
///
/// Writers count their items from 1 without gaps; a writer that is not in the vector is known up to 0.
/// It prints as `a:3,b:5`, sorted by writer, and serializes as `{"a":3,"b":5}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct VersionVector(BTreeMap<ReplicaId, u64>);

/// How one version vector stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Causality {
    /// Both know the same.
    Equal,
    /// The other one knows all of this one, and more.
    Before,
    /// This one knows all of the other one, and more.
    After,
    /// Each knows something that the other one does not.
    Concurrent,
}

/// A text that is not a version vector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version vector such as a:3,b:5")]
pub struct InvalidVector {
    /// The text as it was given, shortened when it is very long.
    pub text: String,
}

impl VersionVector {
    /// The vector that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one more item of a writer, and says which one it is.
    ///
    /// # Panics
    /// When a writer has written `u64::MAX` items.
    pub fn increment(&mut self, writer: &ReplicaId) -> u64 {
        let count = self.0.entry(writer.clone()).or_insert(0);
        *count = count.checked_add(1).expect("BUG: a writer has no more than u64::MAX items");
        *count
    }

    /// Takes note that everything of a writer is known up to item `n`. It never forgets: a smaller `n`
    /// changes nothing.
    pub fn advance(&mut self, writer: &ReplicaId, n: u64) {
        if n > self.get(writer) {
            self.0.insert(writer.clone(), n);
        }
    }

    /// Takes over all that another vector knows: afterwards this is the least vector that knows both.
    pub fn merge(&mut self, other: &Self) {
        for (writer, n) in &other.0 {
            self.advance(writer, *n);
        }
    }

    /// The least vector that knows all that either knows.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    /// Up to which item a writer is known; 0 for none.
    #[must_use]
    pub fn get(&self, writer: &ReplicaId) -> u64 {
        self.0.get(writer).copied().unwrap_or(0)
    }

    /// Whether item `n` of a writer is known.
    #[must_use]
    pub fn contains(&self, writer: &ReplicaId, n: u64) -> bool {
        n <= self.get(writer)
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The writers of which something is known, in their order, with how much.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ReplicaId, u64)> {
        self.0.iter().map(|(writer, n)| (writer, *n))
    }

    /// How this vector stands to another.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let knows_more = |left: &Self, right: &Self| left.0.iter().any(|(writer, n)| *n > right.get(writer));
        match (knows_more(self, other), knows_more(other, self)) {
            (false, false) => Causality::Equal,
            (false, true) => Causality::Before,
            (true, false) => Causality::After,
            (true, true) => Causality::Concurrent,
        }
    }
}

impl PartialOrd for VersionVector {
    /// The order of knowledge; `None` for concurrent vectors.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.compare(other) {
            Causality::Equal => Some(Ordering::Equal),
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Concurrent => None,
        }
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    /// Of several counts of one writer, the largest counts.
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(counts: I) -> Self {
        let mut vector = Self::new();
        for (writer, n) in counts {
            vector.advance(&writer, n);
        }
        vector
    }
}

impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (writer, n)) in self.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{writer}:{n}")?;
        }
        Ok(())
    }
}

impl FromStr for VersionVector {
    type Err = InvalidVector;

    /// Reads the printed form; the empty text is the empty vector. A writer that is named twice, or with a
    /// count that is no positive whole number, is an error.
    fn from_str(text: &str) -> Result<Self, InvalidVector> {
        read(text).ok_or_else(|| InvalidVector { text: text.chars().take(80).collect() })
    }
}

fn read(text: &str) -> Option<VersionVector> {
    let mut counts = BTreeMap::new();
    if text.len() > VECTOR_BYTES_MAX {
        return None;
    }
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (writer, n) = part.split_once(':')?;
        let digits = n.bytes().all(|byte| byte.is_ascii_digit()) && !n.starts_with('0');
        let n = n.parse().ok().filter(|_| digits)?;
        if counts.insert(ReplicaId::new(writer).ok()?, n).is_some() {
            return None;
        }
    }
    Some(VersionVector(counts))
}

impl<'de> Deserialize<'de> for VersionVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<ReplicaId, u64>::deserialize(deserializer)?;
        if counts.values().any(|n| *n == 0) {
            return Err(de::Error::custom("a writer with nothing known is left out of a version vector"));
        }
        Ok(Self(counts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(text: &str) -> VersionVector {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn all_four_relations_are_told_apart() {
        for (left, right, expected) in [
            ("", "", Causality::Equal),
            ("a:1,b:2", "a:1,b:2", Causality::Equal),
            ("", "a:1", Causality::Before),
            ("a:1", "a:1,b:1", Causality::Before),
            ("a:2,b:1", "a:1", Causality::After),
            ("a:1", "b:1", Causality::Concurrent),
            ("a:2,b:1", "a:1,b:2", Causality::Concurrent),
        ] {
            assert_eq!(vector(left).compare(&vector(right)), expected, "{left} to {right}");
        }
    }

    #[test]
    fn counting_says_which_item_it_is_and_what_is_known() {
        let (a, b) = (ReplicaId::new("a").unwrap(), ReplicaId::new("b").unwrap());
        let mut vector = VersionVector::new();
        assert_eq!((vector.increment(&a), vector.increment(&a)), (1, 2));
        vector.advance(&b, 7);
        vector.advance(&b, 3);
        vector.advance(&b, 0);
        assert!(vector.contains(&a, 2) && !vector.contains(&a, 3) && vector.contains(&b, 7));
        assert_eq!(vector.to_string(), "a:2,b:7");
        assert_eq!(serde_json::to_string(&vector).unwrap(), r#"{"a":2,"b":7}"#);
    }

    #[test]
    fn a_writer_known_up_to_zero_is_not_in_the_vector() {
        let mut vector = VersionVector::new();
        vector.advance(&ReplicaId::new("a").unwrap(), 0);
        assert!(vector.is_empty());
        assert!(serde_json::from_str::<VersionVector>(r#"{"a":0}"#).is_err());
    }

    #[test]
    fn what_is_not_a_vector_is_refused() {
        for text in [",", "a", "a:", ":1", "a:0", "a:01", "a:+1", "a:-1", "a:1,", "a:1,a:2", "a:1;b:2", "ä:1", "a:1 "]
        {
            assert!(text.parse::<VersionVector>().is_err(), "{text:?}");
        }
        assert!(format!("a:1{}", ",".repeat(VECTOR_BYTES_MAX)).parse::<VersionVector>().is_err());
    }

    fn vectors() -> impl Strategy<Value = VersionVector> {
        let writer = "[a-e]".prop_map(|text| ReplicaId::new(&text).unwrap());
        prop::collection::vec((writer, 0..4u64), 0..6).prop_map(VersionVector::from_iter)
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(vector in vectors()) {
            prop_assert_eq!(vector.to_string().parse::<VersionVector>(), Ok(vector.clone()));
            let json = serde_json::to_string(&vector).unwrap();
            prop_assert_eq!(serde_json::from_str::<VersionVector>(&json).unwrap(), vector);
        }

        #[test]
        fn merge_is_idempotent_commutative_and_associative(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(&a.clone().merged(&a), &a);
            prop_assert_eq!(a.clone().merged(&b), b.clone().merged(&a));
            prop_assert_eq!(a.clone().merged(&b).merged(&c), a.merged(&b.merged(&c)));
        }

        #[test]
        fn a_merge_is_the_least_that_knows_both(a in vectors(), b in vectors(), c in vectors()) {
            let merged = a.clone().merged(&b);
            prop_assert!(a <= merged && b <= merged);
            if a <= c && b <= c {
                prop_assert!(merged <= c);
            }
        }

        #[test]
        fn the_relation_is_mirrored_and_transitive(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(a.partial_cmp(&b), b.partial_cmp(&a).map(Ordering::reverse));
            prop_assert_eq!(a == b, a.compare(&b) == Causality::Equal);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-c:,0-9]{0,20}|.{0,20}") {
            if let Ok(vector) = text.parse::<VersionVector>() {
                prop_assert_eq!(vector.to_string().parse(), Ok(vector));
            }
        }
    }
}
