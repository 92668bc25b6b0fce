//! What a filter means.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::expr::{Comparison, Expr, Literal, Operator, Path};

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
    let value = find(&comparison.path, state);
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

/// The value at a path; `null` where there is none.
fn find<'v>(path: &Path, state: &'v Value) -> &'v Value {
    let step = |value: &'v Value, name: &String| value.as_object()?.get(name);
    path.segments().iter().try_fold(state, step).unwrap_or(&Value::Null)
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
