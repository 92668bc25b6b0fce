//! What a filter means, and the total order of values.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::expr::{Comparison, Expr, Literal, Operator};

/// The order of all values, the same in every store: `null` (which also a missing field is), `false`,
/// `true`, numbers by their exact value, texts by Unicode code point, and last lists and objects, which
/// are all equal.
#[must_use]
pub fn total_order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        // JSON has no number that is none, so that any two are ordered.
        (Value::Number(left), Value::Number(right)) => order_numbers(left, right).unwrap_or(Ordering::Equal),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) | Value::Object(_) => 5,
    }
}

/// Whether a condition holds for a state.
pub(super) fn holds(expr: &Expr, state: &Value) -> bool {
    match expr {
        Expr::And(all) => all.iter().all(|each| holds(each, state)),
        Expr::Or(any) => any.iter().any(|each| holds(each, state)),
        Expr::Not(inner) => !holds(inner, state),
        Expr::Comparison(comparison) => compares(comparison, state),
    }
}

fn compares(comparison: &Comparison, state: &Value) -> bool {
    let value = comparison.path.find(state);
    let ordering = || order(value, &comparison.literal);
    match comparison.operator {
        Operator::Equal => equal(value, &comparison.literal),
        Operator::NotEqual => !equal(value, &comparison.literal),
        Operator::Less => ordering().is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => ordering().is_some_and(Ordering::is_le),
        Operator::Greater => ordering().is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => ordering().is_some_and(Ordering::is_ge),
    }
}

fn equal(value: &Value, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::Null, Literal::Null) => true,
        (Value::Bool(left), Literal::Bool(right)) => left == right,
        (Value::Number(_), Literal::Number(_)) | (Value::String(_), Literal::Text(_)) => {
            order(value, literal) == Some(Ordering::Equal)
        }
        _ => false,
    }
}

/// How two numbers or two texts are ordered; nothing else is.
fn order(value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Number(left), Literal::Number(right)) => order_numbers(left, right),
        (Value::String(left), Literal::Text(right)) => Some(left.as_str().cmp(right)),
        _ => None,
    }
}

/// Orders two numbers by their exact value, also a whole one against a floating one.
fn order_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        (Some(left), None) => order_mixed(left, right.as_f64()?),
        (None, Some(right)) => order_mixed(right, left.as_f64()?).map(Ordering::reverse),
        (None, None) => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Orders a whole number that fits 65 bits against a finite floating one, without rounding either.
fn order_mixed(left: i128, right: f64) -> Option<Ordering> {
    const BEYOND: f64 = 1e30;
    if right.is_nan() {
        return None;
    }
    if right.abs() > BEYOND {
        return Some(if right > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    // Under 1e30 the cast of the floor is exact.
    let floor = right.floor();
    let ordering = left.cmp(&(floor as i128));
    Some(if ordering == Ordering::Equal && right > floor { Ordering::Less } else { ordering })
}
