//! What of a filter an index can answer.

use std::cmp::Ordering;

use abide_core::{
    Filter,
    filter::{Comparison, Expr, Literal, Operator},
};
use rusqlite::types::Value;
use serde_json::Number;

use crate::sqlite::index::Field;

/// More ranges than this are not looked up one by one.
const RANGES_MAX: usize = 32;

/// From here on SQLite holds whole numbers as floating ones, so that different numbers look equal.
pub(super) const COARSE: f64 = 9_223_372_036_854_775_808.0;

pub(super) const RANK_NULL: i64 = 0;
pub(super) const RANK_NUMBER: i64 = 3;
pub(super) const RANK_TEXT: i64 = 4;
/// The ranks of all values, in order.
pub(super) const RANKS: std::ops::RangeInclusive<i64> = RANK_NULL..=5;

/// A piece of an index: values of one rank, between two bounds that belong to it where they say so.
#[derive(Clone, Debug)]
pub(super) struct Range<'f> {
    pub(super) field: &'f Field,
    pub(super) rank: i64,
    pub(super) lower: Option<Bound>,
    pub(super) upper: Option<Bound>,
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) value: Value,
    pub(super) included: bool,
}

/// Ranges of indexes that hold every object a filter matches, and maybe others. `None` if the indexes
/// cannot tell.
pub(super) fn ranges<'f>(filter: &Filter, fields: &'f [Field]) -> Option<Vec<Range<'f>>> {
    of_expr(filter.expr(), fields, false)
}

fn of_expr<'f>(expr: &Expr, fields: &'f [Field], negated: bool) -> Option<Vec<Range<'f>>> {
    match (expr, negated) {
        (Expr::Comparison(comparison), _) => of_comparison(comparison, fields, negated),
        (Expr::Not(inner), _) => of_expr(inner, fields, !negated),
        (Expr::And(all), false) | (Expr::Or(all), true) => {
            both(all.iter().filter_map(|expr| of_expr(expr, fields, negated)))
        }
        (Expr::Or(any), false) | (Expr::And(any), true) => {
            let mut union = Vec::new();
            for expr in any {
                union.extend(of_expr(expr, fields, negated)?);
            }
            (union.len() <= RANGES_MAX).then_some(union)
        }
    }
}

/// Of conditions that all hold, those over one field together, and then the narrowest.
fn both<'f>(conditions: impl Iterator<Item = Vec<Range<'f>>>) -> Option<Vec<Range<'f>>> {
    let mut narrowed: Vec<Vec<Range<'f>>> = Vec::new();
    for condition in conditions {
        let [range] = condition.as_slice() else {
            narrowed.push(condition);
            continue;
        };
        let same =
            |other: &&mut Vec<Range<'f>>| matches!(other.as_slice(), [one] if one.field.name == range.field.name);
        match narrowed.iter_mut().find(same) {
            Some(other) => *other = other.iter().filter_map(|one| one.and(range)).collect(),
            None => narrowed.push(condition),
        }
    }
    narrowed.into_iter().min_by_key(|ranges| ranges.iter().map(Range::breadth).sum::<u32>())
}

fn of_comparison<'f>(comparison: &Comparison, fields: &'f [Field], negated: bool) -> Option<Vec<Range<'f>>> {
    let field = fields.iter().find(|field| field.path == comparison.path)?;
    let of = |rank, lower, upper| Some(vec![Range { field, rank, lower, upper }]);
    let equal = match (comparison.operator, negated) {
        (Operator::Equal, false) | (Operator::NotEqual, true) => true,
        // What is not less is greater or of another type.
        (_, true) | (Operator::NotEqual, false) => return None,
        (Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual, false) => false,
    };
    let (rank, value) = match &comparison.literal {
        Literal::Number(number) => (RANK_NUMBER, of_number(number)),
        Literal::Text(text) => (RANK_TEXT, Value::Text(text.clone())),
        // Neither is ordered with anything.
        Literal::Null | Literal::Bool(_) if !equal => return Some(Vec::new()),
        Literal::Null => return Some(vec![Range::all(field, RANK_NULL)]),
        Literal::Bool(value) => return Some(vec![Range::all(field, 1 + i64::from(*value))]),
    };
    // Where different numbers look equal, a bound belongs to the range: what is read decides.
    let bound = |included| Some(Bound { included: included || is_coarse(&value), value: value.clone() });
    match comparison.operator {
        Operator::Equal | Operator::NotEqual => of(rank, bound(true), bound(true)),
        Operator::Less => of(rank, None, bound(false)),
        Operator::LessOrEqual => of(rank, None, bound(true)),
        Operator::Greater => of(rank, bound(false), None),
        Operator::GreaterOrEqual => of(rank, bound(true), None),
    }
}

/// A number as SQLite has it when it reads it from JSON.
pub(super) fn of_number(number: &Number) -> Value {
    match number.as_i64() {
        Some(whole) => Value::Integer(whole),
        None => Value::Real(number.as_f64().unwrap_or_default()),
    }
}

/// Whether numbers that look like this one may differ from it.
pub(super) fn is_coarse(value: &Value) -> bool {
    matches!(value, Value::Real(real) if *real >= COARSE)
}

impl<'f> Range<'f> {
    /// All values of a rank. Those that are neither numbers nor texts have one place.
    pub(super) fn all(field: &'f Field, rank: i64) -> Self {
        let zero = Bound { value: Value::Integer(0), included: true };
        let zero = Some(zero).filter(|_| !matches!(rank, RANK_NUMBER | RANK_TEXT));
        Self { field, rank, lower: zero.clone(), upper: zero }
    }

    /// What is in both; `None` if there is nothing.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        if self.rank != other.rank {
            return None;
        }
        let lower = tighter(&self.lower, &other.lower, Ordering::Greater);
        let upper = tighter(&self.upper, &other.upper, Ordering::Less);
        if let (Some(lower), Some(upper)) = (&lower, &upper) {
            let ordering = order(&lower.value, &upper.value);
            if ordering.is_gt() || ordering.is_eq() && !(lower.included && upper.included) {
                return None;
            }
        }
        Some(Self { lower, upper, ..self.clone() })
    }

    /// Whether all its objects have the same value.
    pub(super) fn is_point(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some(lower), Some(upper)) => lower == upper && lower.included && !is_coarse(&lower.value),
            _ => false,
        }
    }

    /// A guess which of two ranges has more objects.
    fn breadth(&self) -> u32 {
        match (self.is_point(), &self.lower, &self.upper) {
            (true, ..) => 1,
            (false, Some(_), Some(_)) => 4,
            (false, ..) => 16,
        }
    }
}

/// The bound that leaves less: the one that is `beyond` the other.
fn tighter(left: &Option<Bound>, right: &Option<Bound>, beyond: Ordering) -> Option<Bound> {
    let (Some(left), Some(right)) = (left, right) else {
        return left.clone().or_else(|| right.clone());
    };
    let ordering = order(&left.value, &right.value);
    let takes_left = if ordering.is_eq() { !left.included } else { ordering == beyond };
    Some(if takes_left { left.clone() } else { right.clone() })
}

/// How SQLite orders two numbers or two texts.
fn order(left: &Value, right: &Value) -> Ordering {
    let json = |value: &Value| match value {
        Value::Integer(whole) => serde_json::Value::from(*whole),
        Value::Real(real) => serde_json::Value::from(*real),
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Null | Value::Blob(_) => serde_json::Value::Null,
    };
    abide_core::filter::total_order(&json(left), &json(right))
}
