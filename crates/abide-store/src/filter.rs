//! Filters and orders over the text of stored states.

use std::fmt;

use abide_core::{Filter, filter::Expr, port::store::Order};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A filter and an order ready for many states. Only the fields that they name are decoded.
pub(crate) struct Matcher<'f> {
    filter: Option<&'f Filter>,
    order: Option<&'f Order>,
    fields: Vec<&'f str>,
}

impl<'f> Matcher<'f> {
    pub(crate) fn new(filter: Option<&'f Filter>, order: Option<&'f Order>) -> Self {
        let mut names = Vec::new();
        if let Some(filter) = filter {
            fields(filter.expr(), &mut names);
        }
        names.extend(order.and_then(|order| order.path.segments().first()).map(String::as_str));
        Self { filter, order, fields: names }
    }

    /// The value by which the state with this text is ordered, if it matches; `null` without an order.
    /// A text that is no JSON object counts as an object without fields.
    pub(crate) fn look(&self, state: &str) -> Option<Value> {
        if self.fields.is_empty() {
            return Some(Value::Null);
        }
        let mut decoder = serde_json::Deserializer::from_str(state);
        let state = Fields(&self.fields).deserialize(&mut decoder);
        let state = Value::Object(state.unwrap_or_default());
        let matches = self.filter.is_none_or(|filter| filter.matches(&state));
        matches.then(|| self.order.map(|order| order.value(&state).into_owned()).unwrap_or_default())
    }
}

/// The top-level fields that a condition looks at.
fn fields<'f>(expr: &'f Expr, names: &mut Vec<&'f str>) {
    match expr {
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(|expr| fields(expr, names)),
        Expr::Not(expr) => fields(expr, names),
        Expr::Comparison(comparison) => {
            names.extend(comparison.path.segments().first().map(String::as_str));
        }
    }
}

/// Decodes an object, but of its fields only those with these names.
struct Fields<'f>(&'f [&'f str]);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut state = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if self.0.contains(&&*name) {
                state.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(filter: &Filter, state: &str) -> bool {
        Matcher::new(Some(filter), None).look(state).is_some()
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[a-c\"\\\\\0]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let path = "[a-c](\\.[a-c])?";
        let operator = proptest::sample::select(&["=", "!=", "<", "<=", ">", ">="]);
        let literal = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            (-3i64..3).prop_map(|n| n.to_string()),
            "'[a-c\"]{0,2}'",
        ];
        let comparison = (path, operator, literal).prop_map(|(p, o, l)| format!("{p}{o}{l}"));
        let negated = (any::<bool>(), comparison).prop_map(|(not, c)| if not { format!("not {c}") } else { c });
        let joined = (proptest::collection::vec(negated, 1..4), any::<bool>());
        joined.prop_map(|(all, and)| Filter::parse(&all.join(if and { " and " } else { " or " })).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_decided_on_the_named_fields_holds_for_the_whole_state(
            filter in filter(),
            state in proptest::collection::btree_map("[a-d]", value(), 0..5),
        ) {
            let state = Value::Object(state.into_iter().collect());
            prop_assert_eq!(matches(&filter, &state.to_string()), filter.matches(&state));
        }
    }

    #[test]
    fn the_last_of_two_fields_of_one_name_counts() {
        let filter = Filter::parse("n=2").unwrap();
        assert!(matches(&filter, r#"{"n":1,"n":2}"#));
        assert!(!matches(&filter, r#"{"n":2,"\u006e":1}"#));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        let filter = Filter::parse("n=null").unwrap();
        for text in ["[1]", "null", "{\"n\":", ""] {
            assert!(matches(&filter, text), "{text:?}");
        }
    }
}
