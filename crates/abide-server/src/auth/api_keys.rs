use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use abide_core::{Namespace, Timestamp};
use abide_node::Principal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Caller, Means, Refusal, caller::ANONYMOUS};

/// What all API keys begin with, so that people and scanners know one when they see it.
pub(crate) const PREFIX: &str = "abide-";

/// How many random bytes a key has: nobody guesses them, and so a plain hash hides them.
const SECRET_BYTES: usize = 32;

const HEAD: &str = "\
# The API keys of an Abide node: who each belongs to, and its hash. The keys themselves are nowhere.
# `abide keys new` adds one, `abide keys revoke` removes one; a running node notices by itself.

";

/// An API key, without what would let somebody use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its own name, to revoke it by.
    pub id: String,
    /// The SHA-256 of the whole key, in hexadecimal digits.
    pub hash: String,
    /// Whose it is.
    pub subject: String,
    /// The roles it gives.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The tenant it is for.
    #[serde(default)]
    pub namespace: Namespace,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used. `None`: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The API keys of a node, as they are in their file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    #[serde(default, rename = "key")]
    keys: Vec<ApiKey>,
}

impl ApiKeys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// A sentence: it is not there, or not such a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{} is not there: `abide keys new` makes it", path.display()),
            _ => format!("{} cannot be read: {error}", path.display()),
        })?;
        let keys: Self = toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()))?;
        for key in &keys.keys {
            if key.subject.is_empty() || key.subject == ANONYMOUS {
                return Err(format!(
                    "{}: key {} belongs to {:?}, which is nobody",
                    path.display(),
                    key.id,
                    key.subject
                ));
            }
        }
        Ok(keys)
    }

    /// Writes the file: whole or not at all, and for its owner alone to read.
    ///
    /// # Errors
    /// A sentence: it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", path.display());
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        let beside = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&beside).and_then(|mut file| {
            file.write_all(HEAD.as_bytes())?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&beside, path)).map_err(|error| failed(&error))
    }

    /// Makes a key. The answer is the key itself, which is nowhere else and cannot be found out again.
    pub fn issue(&mut self, principal: Principal, created_at: Timestamp, expires_at: Option<Timestamp>) -> String {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).expect("BUG: the system has no randomness");
        let id = ulid::Ulid::generate().to_string();
        let token = format!("{PREFIX}{id}-{}", URL_SAFE_NO_PAD.encode(secret));
        let Principal { subject, roles, namespace } = principal;
        self.keys.push(ApiKey { id, hash: hash(&token), subject, roles, namespace, created_at, expires_at });
        token
    }

    /// Takes a key away. Whether there was one of this id.
    pub fn revoke(&mut self, id: &str) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| key.id != id);
        self.keys.len() < before
    }

    /// All of them, as they stand in the file.
    pub fn all(&self) -> &[ApiKey] {
        &self.keys
    }
}

/// Keys by their hash. Whoever would learn something from how long a look-up takes had to choose hashes.
#[derive(Debug)]
pub(crate) struct Hashed {
    by_hash: FxHashMap<String, (Caller, Option<Timestamp>)>,
    /// The principal that each key stands for, by the key's id.
    principals: FxHashMap<String, Principal>,
}

impl Hashed {
    pub(crate) fn new(keys: &ApiKeys) -> Self {
        let entry = |key: &ApiKey| {
            let ApiKey { subject, roles, namespace, .. } = key.clone();
            let caller = Caller::known(Principal { subject, roles, namespace }, Means::Key(key.id.clone()));
            let caller = caller.with_claims(serde_json::Map::new(), key.expires_at);
            (key.hash.to_ascii_lowercase(), (caller, key.expires_at))
        };
        let principal = |key: &ApiKey| {
            let ApiKey { id, subject, roles, namespace, .. } = key.clone();
            (id, Principal { subject, roles, namespace })
        };
        Self { by_hash: keys.keys.iter().map(entry).collect(), principals: keys.keys.iter().map(principal).collect() }
    }

    /// Whether the key of this id is still there, and stands for the same caller.
    pub(crate) fn holds(&self, id: &str, caller: &Caller) -> bool {
        self.principals.get(id).is_some_and(|known| caller.principal().is_some_and(|principal| **principal == *known))
    }

    pub(crate) fn identify(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        match self.by_hash.get(&hash(token)) {
            Some((caller, expires_at)) if expires_at.is_none_or(|end| now < end) => Ok(caller.clone()),
            _ => Err(Refusal::Unknown),
        }
    }
}

fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, token.as_bytes()).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
