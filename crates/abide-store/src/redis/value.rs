//! Values of indexed fields, as bytes that sort as values do.

use serde_json::{Number, Value};

use super::names::escape;

/// Bytes that sort in the total order of values, also with an id behind each: where one value's bytes begin
/// another's, the other goes on with 0xFF, which no text has.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => b"0".to_vec(),
        Value::Bool(false) => b"1".to_vec(),
        Value::Bool(true) => b"2".to_vec(),
        Value::Number(number) => format!("3{}", encode_number(number)).into_bytes(),
        Value::String(text) => {
            let mut out = vec![b'4'];
            escape(text, &mut out);
            out.push(0);
            out
        }
        Value::Array(_) | Value::Object(_) => b"5".to_vec(),
    }
}

/// The largest floating number at or below, as 16 digits that sort, and how much is missing, as 4.
fn encode_number(number: &Number) -> String {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let (float, rest) = match whole {
        Some(whole) => {
            let near = whole as f64;
            let below = if near as i128 > whole { near.next_down() } else { near };
            (below, whole - below as i128)
        }
        None => (number.as_f64().unwrap_or(0.0), 0),
    };
    // Adding zero makes one zero of two.
    let bits = (float + 0.0).to_bits();
    let sorted = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    format!("{sorted:016x}{rest:04x}")
}

#[cfg(test)]
mod tests {
    use abide_core::filter::total_order;
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            (-3i32..3).prop_map(|n| Value::from(f64::from(n) / 2.0)),
            (0u64..5000).prop_map(|n| Value::from(u64::MAX - n)),
            (0i32..3).prop_map(|n| Value::from(18_446_744_073_709_551_616.0 - 2048.0 * f64::from(n))),
            Just(Value::from(-0.0)),
            "[a\0b🦀]{0,3}".prop_map(Value::from),
            Just(serde_json::json!([1])),
            Just(serde_json::json!({})),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn encoded_values_sort_as_values_do(left in value(), right in value()) {
            prop_assert_eq!(encode(&left).cmp(&encode(&right)), total_order(&left, &right));
        }

        #[test]
        fn encoded_values_with_an_id_behind_them_sort_by_value_then_by_id(
            left in value(), right in value(), one in "[a\0🦀]{1,3}", other in "[a\0🦀]{1,3}",
        ) {
            let member = |value, id: &str| [encode(value), id.as_bytes().to_vec()].concat();
            let order = total_order(&left, &right).then_with(|| one.cmp(&other));
            prop_assert_eq!(member(&left, &one).cmp(&member(&right, &other)), order);
        }
    }
}
