//! The tree of a filter, and how it prints.

use std::fmt;

use serde_json::{Number, Value};

use super::{FilterError, parser};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them hold; at least two.
    And(Vec<Expr>),
    /// At least one of them holds; at least two.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A field compares so.
    Comparison(Comparison),
}

/// One field compared with a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The field.
    pub path: Path,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub literal: Literal,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`: the same type and value.
    Equal,
    /// `!=`: exactly where `=` does not hold.
    NotEqual,
    /// `<`, between two numbers or two texts.
    Less,
    /// `<=`, between two numbers or two texts.
    LessOrEqual,
    /// `>`, between two numbers or two texts.
    Greater,
    /// `>=`, between two numbers or two texts.
    GreaterOrEqual,
}

/// A value written in a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`, which also a missing field is.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, kept as a whole number where it was written as one.
    Number(Number),
    /// A text.
    Text(String),
}

/// The names that lead from a state to a field: at least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// How it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Path {
    /// The path through these names; `None` when there are none.
    #[must_use]
    pub fn new(segments: Vec<String>) -> Option<Self> {
        (!segments.is_empty()).then_some(Self(segments))
    }

    /// Reads a path as it stands in a filter: `address.city`, `` votes.`a@b.c` ``.
    ///
    /// # Errors
    /// [`FilterError`] for text that is no path.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse_path(text)
    }

    /// The value at this path of a state; `null` where there is none.
    #[must_use]
    pub fn find<'v>(&self, state: &'v Value) -> &'v Value {
        let step = |value: &'v Value, name: &String| value.as_object()?.get(name);
        self.0.iter().try_fold(state, step).unwrap_or(&Value::Null)
    }

    /// The names, from the state inwards; at least one.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => join(f, all, " and "),
            Self::Or(any) => join(f, any, " or "),
            Self::Not(inner) => {
                f.write_str("not ")?;
                operand(f, inner)
            }
            Self::Comparison(comparison) => comparison.fmt(f),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.path, self.operator, self.literal)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            if is_plain(segment) {
                f.write_str(segment)?;
            } else {
                write!(f, "`{}`", segment.replace('`', "``"))?;
            }
        }
        Ok(())
    }
}

/// The words that join conditions, and so are no names and no texts unless quoted.
pub(super) fn is_joining(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|joining| word.eq_ignore_ascii_case(joining))
}

/// Whether a field name may be written without backquotes.
pub(super) fn is_plain(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    name.starts_with(starts) && name.chars().all(goes_on) && !is_joining(name)
}

fn join(f: &mut fmt::Formatter<'_>, operands: &[Expr], between: &str) -> fmt::Result {
    for (place, each) in operands.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        operand(f, each)?;
    }
    Ok(())
}

/// Prints an operand, in parentheses where it is itself a conjunction or disjunction.
fn operand(f: &mut fmt::Formatter<'_>, expr: &Expr) -> fmt::Result {
    match expr {
        Expr::And(_) | Expr::Or(_) => write!(f, "({expr})"),
        Expr::Not(_) | Expr::Comparison(_) => write!(f, "{expr}"),
    }
}
