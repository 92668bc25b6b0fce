use std::time::Duration;

use abide_core::key::SHARDS_DEFAULT;

use crate::error::OpenError;

/// What a store expects of its server about writing to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `appendonly yes` and `appendfsync always`: what was answered survives. Anything less is warned of.
    Always,
    /// `appendonly yes`: a crash of the machine may take the last second. Chosen, not warned of.
    Everysec,
    /// Whatever the server does; it may forget everything when it ends.
    Memory,
}

/// How a store in Redis is opened. In a URL: `redis://host:6379/0?prefix=abide&durability=everysec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    /// Whether a store is created where there is none.
    pub create: bool,
    /// What every key and channel begins with.
    pub prefix: String,
    /// How many shards a new store gets; an old one must have this number, if it is given.
    pub shards: Option<u32>,
    /// Over how many parts a new store spreads its objects: each part is one slot of a Redis Cluster,
    /// and what one script can write. By default 1, and 256 in a cluster.
    pub parts: Option<u32>,
    /// What is expected of the server.
    pub durability: Durability,
    /// How many feed entries each shard keeps at least.
    pub feed_keep: u64,
    /// How long an answer may take; after it, nobody knows whether the batch was done.
    pub answer_within: Duration,
    /// How many requests may wait for the writer.
    pub waiting_max: usize,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            create: true,
            prefix: "abide".into(),
            shards: None,
            parts: None,
            durability: Durability::Always,
            feed_keep: 1_024,
            answer_within: Duration::from_secs(10),
            waiting_max: 16_384,
        }
    }
}

impl RedisOptions {
    /// The number of shards of a new store.
    pub(super) fn shards_of_new(&self) -> u32 {
        self.shards.unwrap_or(SHARDS_DEFAULT).max(1)
    }

    /// Reads the options out of a URL and gives back the rest of it, which says where the server is.
    ///
    /// # Errors
    /// [`OpenError::BadUrl`] names what is not known and what is.
    pub fn parse(url: &str) -> Result<(String, Self), OpenError> {
        let mut options = Self::default();
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name == "protocol" {
                rest.push(pair);
            } else {
                options.set(name, value).map_err(|why| OpenError::BadUrl { url: without_password(url), why })?;
            }
        }
        let base = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok((base, options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || value.parse::<u32>().ok().filter(|n| (1..=65_536).contains(n));
        let bad = |wanted: &str| format!("`{name}={value}` should be {wanted}");
        match name {
            "prefix" => {
                let legal = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
                if value.is_empty() || value.len() > 64 || !value.chars().all(legal) {
                    return Err(bad("1 to 64 letters, digits, `_`, `-`, `.` and `:`"));
                }
                check_prefix(value)?;
                self.prefix = value.into();
            }
            "shards" => self.shards = Some(number().ok_or_else(|| bad("a number from 1 to 65536"))?),
            "parts" => self.parts = Some(number().ok_or_else(|| bad("a number from 1 to 65536"))?),
            "durability" => {
                self.durability = match value {
                    "always" => Durability::Always,
                    "everysec" => Durability::Everysec,
                    "memory" => Durability::Memory,
                    _ => return Err(bad("`always`, `everysec` or `memory`")),
                }
            }
            _ => {
                return Err(format!(
                    "it has no option {name:?}: there are `prefix`, `durability`, `shards`, `parts` and `protocol`"
                ));
            }
        }
        Ok(())
    }
}

/// A store calls its parts by its prefix, a colon and a number: no other store may be called so.
pub(super) fn check_prefix(prefix: &str) -> Result<(), String> {
    match prefix.rsplit_once(':') {
        Some((parent, number)) if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => {
            Err(format!(
                "`prefix={prefix}` ends with a colon and a number, and so do the keys of the store `prefix={parent}`: \
             two stores would write into each other; take `prefix={parent}-{number}`"
            ))
        }
        _ => Ok(()),
    }
}

/// A URL as it may be shown.
pub(super) fn without_password(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, rest))) => format!("{scheme}://{rest}"),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_out_of_the_url() {
        let (base, options) =
            RedisOptions::parse("redis://me:pw@h:1/2?prefix=a:b&durability=everysec&protocol=resp3&shards=8").unwrap();
        assert_eq!(base, "redis://me:pw@h:1/2?protocol=resp3");
        assert_eq!((options.prefix.as_str(), options.durability), ("a:b", Durability::Everysec));
        assert_eq!((options.shards, options.parts), (Some(8), None));
    }

    #[test]
    fn what_is_wrong_with_an_option_is_said_without_the_password() {
        for (query, named) in [
            ("prefix=a:0", "`prefix=a-0`"),
            ("prefx=a", "`prefix`"),
            ("prefix={a}", "letters"),
            ("durability=1", "`everysec`"),
            ("shards=0", "from 1"),
        ] {
            let error = RedisOptions::parse(&format!("redis://me:secret@h?{query}")).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("secret"), "{error}");
        }
    }
}
