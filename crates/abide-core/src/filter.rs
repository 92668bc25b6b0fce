//! Conditions over the fields of a state: the `where=` language.

mod compare;
mod expr;
mod lexer;
mod parser;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

pub use compare::total_order;
pub use expr::{Comparison, Expr, Literal, Operator, Path};

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4096;

/// How deep parentheses and `not` may nest.
pub const FILTER_DEPTH_MAX: usize = 32;

/// A condition over the fields of a state: `count>5 and (status=open or status=waiting)`.
///
/// # Language
/// - A comparison is a path, one of `= != < <= > >=`, and a literal.
/// - Comparisons are joined with `and`, `or`, `not` and parentheses. `not` binds tightest, `or` weakest.
///   The words may be in upper case.
/// - A path is field names joined by dots: `address.city`. A name is letters, digits, `_` and `-`, not
///   starting with a digit or `-`; any other name is written in backquotes: `` votes.`a@b.c` ``. A path
///   goes through objects only, not into lists.
/// - A literal is a number as in JSON, `true`, `false`, `null`, text in single or double quotes (a quote
///   inside is doubled: `'it''s'`), or a bare word of letters, digits and `_-.:@/+`, which is text:
///   `status=open`, `at>2026-01-02T03:04:05.678Z`.
///
/// # Meaning
/// A filter is true or false, never unknown:
/// - a field that is missing is `null`;
/// - values of different types are never equal and never ordered, and `!=` is true exactly where `=` is
///   false; so `count!=5` holds where `count` is missing or is the text `5`;
/// - numbers compare by their exact value (`1 = 1.0`), texts by Unicode code point; booleans and `null`
///   can only be equal, and lists and objects equal no literal.
///
/// It prints as text that parses back to an equal filter, and serializes as that text.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Expr);

/// Why a text is not a filter. Nothing was looked up or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter cannot be read at character {position}: {message}")]
pub struct FilterError {
    /// The character at which it cannot go on, counted from 1.
    pub position: usize,
    /// What is wrong there and what to write instead.
    pub message: String,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`] for text that is not in the language, over [`FILTER_BYTES_MAX`], or nested
    /// deeper than [`FILTER_DEPTH_MAX`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }

    /// Whether the condition holds for a state.
    #[must_use]
    pub fn matches(&self, state: &Value) -> bool {
        compare::holds(&self.0, state)
    }

    /// The condition as a tree, for stores that translate it.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        &self.0
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
