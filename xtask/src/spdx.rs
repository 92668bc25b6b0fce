//! Licence expressions, as far as packages use them.

use anyhow::{bail, ensure};

/// Whether the SPDX `expression` can be satisfied with licences that `allowed`
/// accepts. `/` is read as `OR`, as old packages mean it. A licence with an
/// exception (`Apache-2.0 WITH LLVM-exception`) grants more than the licence
/// alone, so the licence decides.
pub(crate) fn satisfied(expression: &str, allowed: &impl Fn(&str) -> bool) -> anyhow::Result<bool> {
    let tokens = tokens(expression);
    let mut parser = Parser { rest: &tokens, allowed };
    let satisfied = parser.any_of()?;
    ensure!(parser.rest.is_empty(), "`{expression}` goes on after its end");
    Ok(satisfied)
}

fn tokens(expression: &str) -> Vec<String> {
    expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

struct Parser<'a, F> {
    rest: &'a [String],
    allowed: &'a F,
}

impl<'a, F: Fn(&str) -> bool> Parser<'a, F> {
    /// `a OR b OR …`
    fn any_of(&mut self) -> anyhow::Result<bool> {
        let mut satisfied = self.all_of()?;
        while self.take("OR") {
            satisfied |= self.all_of()?;
        }
        Ok(satisfied)
    }

    /// `a AND b AND …`, which binds tighter.
    fn all_of(&mut self) -> anyhow::Result<bool> {
        let mut satisfied = self.one()?;
        while self.take("AND") {
            satisfied &= self.one()?;
        }
        Ok(satisfied)
    }

    /// A licence, or an expression in parentheses.
    fn one(&mut self) -> anyhow::Result<bool> {
        if self.take("(") {
            let satisfied = self.any_of()?;
            ensure!(self.take(")"), "a parenthesis is not closed");
            return Ok(satisfied);
        }
        let licence = self.word()?;
        if self.take("WITH") {
            self.word()?;
        }
        Ok((self.allowed)(licence))
    }

    fn word(&mut self) -> anyhow::Result<&'a str> {
        match self.rest.split_first() {
            Some((word, rest)) if !["(", ")", "OR", "AND", "WITH"].contains(&word.as_str()) => {
                self.rest = rest;
                Ok(word)
            }
            Some((word, _)) => bail!("expected a licence, found `{word}`"),
            None => bail!("expected a licence, found the end"),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if first == token => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: bool) {
        let allowed = |licence: &str| ["MIT", "Apache-2.0", "Unicode-3.0"].contains(&licence);
        let found = satisfied(expression, &allowed).unwrap();
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn one_side_of_or_is_enough() {
        check("MIT", true);
        check("GPL-3.0", false);
        check("MIT OR GPL-3.0", true);
        check("GPL-3.0/MIT", true);
        check("GPL-3.0 / AGPL-3.0", false);
    }

    #[test]
    fn both_sides_of_and_are_needed() {
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("MIT AND GPL-3.0", false);
        check("GPL-3.0 OR MIT AND Apache-2.0", true);
        check("(GPL-3.0 OR MIT) AND ISC", false);
    }

    #[test]
    fn an_exception_does_not_change_the_answer() {
        check("Apache-2.0 WITH LLVM-exception", true);
        check("GPL-3.0 WITH Classpath-exception-2.0", false);
    }

    #[test]
    fn nonsense_is_an_error_and_not_an_answer() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT", "OR", "MIT WITH", "MIT)"] {
            assert!(satisfied(expression, &|_| true).is_err(), "{expression}");
        }
    }
}
