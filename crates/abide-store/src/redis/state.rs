//! States in a hash: a field for each field.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use abide_core::Json;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::names::field;

/// How a state is written.
pub(super) enum Layout<'s> {
    /// A field of the hash for each field of the state, and their names in order, as a JSON list.
    Fields { order: String, fields: Vec<(String, &'s str)> },
    /// The text as it is: it is no object, or writing its fields in a row would not give it back.
    Whole(&'s str),
}

/// Takes a state apart.
pub(super) fn split(state: &Json) -> Layout<'_> {
    let text = state.as_str();
    let mut decoder = serde_json::Deserializer::from_str(text);
    let Ok(found) = decoder.deserialize_map(Fields) else { return Layout::Whole(text) };
    let mut order = String::from("[");
    let mut joined = String::with_capacity(text.len());
    joined.push('{');
    let mut fields: Vec<(String, &str)> = Vec::with_capacity(found.len());
    for (name, value) in found {
        let Ok(quoted) = serde_json::to_string(&name) else { return Layout::Whole(text) };
        if !fields.is_empty() {
            order.push(',');
            joined.push(',');
        }
        order.push_str(&quoted);
        joined.push_str(&quoted);
        joined.push(':');
        joined.push_str(value.get());
        let name = field(&name);
        if fields.len() < DOUBLES_LOOKED_FOR && fields.iter().any(|(other, _)| *other == name) {
            return Layout::Whole(text);
        }
        fields.push((name, value.get()));
    }
    order.push(']');
    joined.push('}');
    if fields.len() >= DOUBLES_LOOKED_FOR && has_doubles(&fields) || joined != text {
        return Layout::Whole(text);
    }
    Layout::Fields { order, fields }
}

/// Up to so many fields are compared each with each.
const DOUBLES_LOOKED_FOR: usize = 32;

fn has_doubles(fields: &[(String, &str)]) -> bool {
    let names: std::collections::BTreeSet<_> = fields.iter().map(|(name, _)| name).collect();
    names.len() < fields.len()
}

/// Puts a state together from the hash's own order and fields.
pub(super) fn join(order: &str, fields: &BTreeMap<String, String>) -> Option<Json> {
    let names: Vec<String> = serde_json::from_str(order).ok()?;
    let mut text = String::from("{");
    for name in &names {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name).ok()?);
        text.push(':');
        text.push_str(fields.get(&field(name))?);
    }
    text.push('}');
    Some(Json::trusted(text))
}

/// The fields of an object with the texts of their values.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(text: &str) -> (Json, bool) {
        let state = Json::parse(text).unwrap();
        match split(&state) {
            Layout::Whole(text) => (Json::trusted(text), true),
            Layout::Fields { order, fields } => {
                let fields = fields.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
                (join(&order, &fields).unwrap(), false)
            }
        }
    }

    #[test]
    fn every_state_comes_back_as_the_same_text() {
        for (text, whole) in [
            (r#"{"count":5}"#, false),
            (r#"{"b":{"x":[1, 2]},"a":null,"@head":1,"@@x":2}"#, false),
            (r#"{"":1,"\"q\\":1.0e3}"#, false),
            ("{}", false),
            (r#"{ "n": 1 }"#, true),
            (r#"{"n":1,"n":2}"#, true),
            (r#"{"\u006e":1}"#, true),
            ("[1]", true),
            ("null", true),
        ] {
            assert_eq!(back(text), (Json::trusted(text), whole), "{text}");
        }
    }

    #[test]
    fn a_double_among_many_fields_is_noticed() {
        let fields: Vec<_> = (0..40).map(|n| format!("\"f{}\":1", n % 39)).collect();
        assert!(back(&format!("{{{}}}", fields.join(","))).1);
    }
}
