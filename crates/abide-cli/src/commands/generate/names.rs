//! Names of types that are legal, and each there once.

use std::collections::HashSet;

/// The names that were given so far.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A name like `wanted`: with a number if it was given before.
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let wanted = identifier(wanted);
        let name = (1..).map(|n| if n == 1 { wanted.clone() } else { format!("{wanted}{n}") });
        let name = name.into_iter().find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// A name in camel case: what stands after a character that no name may have begins with a capital.
fn identifier(text: &str) -> String {
    let mut name = String::new();
    let mut capital = true;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            capital = true;
            continue;
        }
        name.push(if capital { c.to_ascii_uppercase() } else { c });
        capital = false;
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_given_once() {
        let mut names = Names::default();
        for (wanted, given) in
            [("Counter", "Counter"), ("rate-limiter.v2", "RateLimiterV2"), ("Counter", "Counter2"), ("3d", "_3d")]
        {
            assert_eq!(names.take(wanted), given);
        }
    }
}
