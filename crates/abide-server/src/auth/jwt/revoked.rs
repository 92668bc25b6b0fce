use std::{fs, path::Path};

use rustc_hash::FxHashSet;

/// How many tokens may be taken back at a time. Those whose time is over anyway can be removed.
const REVOKED_MAX: usize = 1_000_000;

/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// Tokens that were taken back before their time, by their `jti`.
#[derive(Debug, Default)]
pub(crate) struct Revoked(FxHashSet<Box<str>>);

impl Revoked {
    /// Reads a file of names, one a line. What follows a `#` at the beginning of a line is for people.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut names = FxHashSet::default();
        for (number, line) in (1..).zip(text.lines()) {
            let name = line.trim();
            if name.is_empty() || name.starts_with('#') {
                continue;
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(format!("line {number} has {} bytes, the limit is {NAME_BYTES_MAX}", name.len()));
            }
            if names.len() >= REVOKED_MAX {
                return Err(format!("it has over {REVOKED_MAX} tokens; remove those whose time is over"));
            }
            names.insert(name.into());
        }
        Ok(Self(names))
    }

    /// Whether the token of this name was taken back.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_token_unless_it_is_for_people() {
        let revoked = Revoked::parse("# stolen on Tuesday\n\n  a1 \nb 2\r\n#c\n").unwrap();
        for (name, has) in [("a1", true), ("b 2", true), ("c", false), ("#c", false), ("", false), ("A1", false)] {
            assert_eq!(revoked.has(name), has, "{name:?}");
        }
        assert!(Revoked::parse(&"x".repeat(600)).unwrap_err().contains("line 1"));
    }
}
