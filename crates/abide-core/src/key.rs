//! Names: which object is meant.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 512;
/// The longest namespace or kind, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// How many shards a node or cluster has unless its creator chose otherwise.
pub const SHARDS_DEFAULT: u32 = 4096;

/// A name that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// What was being named: `id`, `kind` or `namespace`.
        what: &'static str,
    },
    /// The text is longer than its limit.
    #[error("{what} has {bytes} bytes, the limit is {max}")]
    TooLong {
        /// What was being named.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A kind or namespace has a character that it may not have.
    #[error("{what} {name:?} may only have letters, digits, '_', '-' and '.', and starts with a letter or digit")]
    Character {
        /// What was being named.
        what: &'static str,
        /// The text.
        name: String,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and makes a name of it.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                check_name($what, text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A tenant: objects of different namespaces never meet. 1 to 128 letters, digits, `_`, `-`, `.`.
    Namespace,
    "namespace"
);
name!(
    /// The registered name of an object's type. 1 to 128 letters, digits, `_`, `-`, `.`.
    Kind,
    "kind"
);

impl Default for Namespace {
    fn default() -> Self {
        static DEFAULT: LazyLock<Namespace> = LazyLock::new(|| Namespace("default".into()));
        DEFAULT.clone()
    }
}

fn check_name(what: &'static str, text: &str) -> Result<(), InvalidName> {
    check_length(what, text, NAME_BYTES_MAX)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.chars().all(legal) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Ok(())
    } else {
        Err(InvalidName::Character { what, name: text.chars().take(80).collect() })
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), InvalidName> {
    match text.len() {
        0 => Err(InvalidName::Empty { what }),
        bytes if bytes > max => Err(InvalidName::TooLong { what, bytes, max }),
        _ => Ok(()),
    }
}

/// The full name of an object: namespace, kind and id, with its hash worked out once.
///
/// Cloning is cheap (one reference count).
#[derive(Clone)]
pub struct Key(Arc<KeyParts>);

struct KeyParts {
    namespace: Namespace,
    kind: Kind,
    id: Box<str>,
    hash: u64,
}

impl Key {
    /// Names the object `id` of `kind` in `namespace`. The id is 1 to 512 bytes of UTF-8, any character.
    pub fn new(namespace: &Namespace, kind: &Kind, id: &str) -> Result<Self, InvalidName> {
        check_length("id", id, ID_BYTES_MAX)?;
        let hash = placement_hash(namespace.as_str(), kind.as_str(), id);
        Ok(Self(Arc::new(KeyParts { namespace: namespace.clone(), kind: kind.clone(), id: id.into(), hash })))
    }

    /// Names an object by plain text, checking every part.
    pub fn parse(namespace: &str, kind: &str, id: &str) -> Result<Self, InvalidName> {
        let default = Namespace::default();
        let namespace = if namespace == default.as_str() { default } else { Namespace::new(namespace)? };
        Self::new(&namespace, &Kind::new(kind)?, id)
    }

    /// The same key, with the text of its kind in the memory of `kind`, which must be the same.
    /// Very many keys of one kind then hold it once.
    #[must_use]
    pub fn sharing(self, kind: &Kind) -> Self {
        if *kind != self.0.kind || Arc::ptr_eq(&kind.0, &self.0.kind.0) {
            return self;
        }
        let KeyParts { namespace, id, hash, .. } = &*self.0;
        Self(Arc::new(KeyParts { namespace: namespace.clone(), kind: kind.clone(), id: id.clone(), hash: *hash }))
    }

    /// The tenant.
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// The kind.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The placement hash: stable for ever.
    pub fn hash(&self) -> u64 {
        self.0.hash
    }

    /// The shard this key belongs to among `shards`.
    pub fn shard(&self, shards: u32) -> Shard {
        Shard::of(self.0.hash, shards)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash
                && self.0.id == other.0.id
                && self.0.kind == other.0.kind
                && self.0.namespace == other.0.namespace)
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let parts = |key: &'_ Self| (key.0.namespace.clone(), key.0.kind.clone());
        if self == other {
            return std::cmp::Ordering::Equal;
        }
        parts(self).cmp(&parts(other)).then_with(|| self.id().cmp(other.id()))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace().as_str() != "default" {
            write!(f, "{}:", self.namespace())?;
        }
        write!(f, "{}/{}", self.kind(), self.id())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Serialize, Deserialize)]
struct KeyForm {
    namespace: Namespace,
    kind: Kind,
    id: String,
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        KeyForm { namespace: self.namespace().clone(), kind: self.kind().clone(), id: self.id().into() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = KeyForm::deserialize(deserializer)?;
        Self::new(&form.namespace, &form.kind, &form.id).map_err(serde::de::Error::custom)
    }
}

/// One of a fixed number of hash ranges of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u32);

impl Shard {
    /// The shard with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The shard of a placement hash among `shards`: equal ranges of the hash's upper 32 bits.
    pub fn of(hash: u64, shards: u32) -> Self {
        let scaled = ((hash >> 32) * u64::from(shards)) >> 32;
        Self(u32::try_from(scaled).unwrap_or(0))
    }

    /// Its number, from 0.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// xxh3-64 over `namespace NUL kind NUL id`. Stored data depends on it: it never changes.
fn placement_hash(namespace: &str, kind: &str, id: &str) -> u64 {
    const INLINE: usize = 160;
    let length = namespace.len() + kind.len() + id.len() + 2;
    if length <= INLINE {
        let mut buffer = [0u8; INLINE];
        let kind_at = namespace.len() + 1;
        let id_at = kind_at + kind.len() + 1;
        buffer[..namespace.len()].copy_from_slice(namespace.as_bytes());
        buffer[kind_at..kind_at + kind.len()].copy_from_slice(kind.as_bytes());
        buffer[id_at..length].copy_from_slice(id.as_bytes());
        xxh3_64(&buffer[..length])
    } else {
        xxh3_64(&[namespace.as_bytes(), &[0], kind.as_bytes(), &[0], id.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_placement_of_a_key_never_changes() {
        for (kind, id, hash, shard) in [
            ("Counter", "user-123", 0xa132_1bb9_8976_c126_u64, 2579),
            ("Counter", "demo", 0xf89f_3705_3862_bcad_u64, 3977),
            ("ChatRoom", "a/b 🦀\0", 0xe1d0_a7b8_b05b_aef9_u64, 3613),
        ] {
            let key = Key::parse("default", kind, id).unwrap();
            assert_eq!((key.hash(), key.shard(SHARDS_DEFAULT).number()), (hash, shard), "{key}");
        }
    }

    #[test]
    fn an_id_may_have_any_character_but_not_be_empty_or_too_long() {
        assert!(Key::parse("default", "K", "/\0 🦀 ../").is_ok());
        assert_eq!(Key::parse("default", "K", ""), Err(InvalidName::Empty { what: "id" }));
        assert!(Key::parse("default", "K", &"x".repeat(512)).is_ok());
        let error = Key::parse("default", "K", &"x".repeat(513)).unwrap_err();
        assert_eq!(error.to_string(), "id has 513 bytes, the limit is 512");
    }

    #[test]
    fn a_kind_with_a_slash_is_refused() {
        assert!(Kind::new("a/b").is_err());
        assert!(Kind::new("-a").is_err());
        assert!(Kind::new("Chat.Room-2_x").is_ok());
    }

    proptest! {
        #[test]
        fn short_and_long_keys_hash_by_the_same_rule(kind in "[a-zA-Z0-9]{1,60}", id in "\\PC{1,100}") {
            let whole = format!("default\0{kind}\0{id}");
            prop_assert_eq!(Key::parse("default", &kind, &id).unwrap().hash(), xxh3_64(whole.as_bytes()));
        }

        #[test]
        fn every_hash_has_a_shard_in_range(hash: u64, shards in 1u32..70_000) {
            prop_assert!(Shard::of(hash, shards).number() < shards);
        }
    }
}
