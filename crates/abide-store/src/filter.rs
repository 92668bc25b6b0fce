//! Whether a stored state matches a filter: one function for all stores, so that they agree.

use std::fmt;

use abide_core::{Filter, filter::Expr};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Whether the state with this text matches. Only the fields that the filter names are decoded.
/// A text that is no JSON object matches as an object without fields does.
pub(crate) fn matches(filter: &Filter, state: &str) -> bool {
    let mut names = Vec::new();
    fields(filter.expr(), &mut names);
    let mut decoder = serde_json::Deserializer::from_str(state);
    let state = Fields(&names).deserialize(&mut decoder);
    filter.matches(&Value::Object(state.unwrap_or_default()))
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
