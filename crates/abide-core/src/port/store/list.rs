use std::{borrow::Cow, cmp::Ordering, fmt};

use serde_json::Value;

use super::ROW_BYTES;
use crate::{
    error::Error,
    filter::{self, Filter, Path},
    json::Json,
    key::{Kind, Namespace},
    seq::Seq,
    time::Timestamp,
};

/// Which objects to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// The tenant.
    pub namespace: Namespace,
    /// The kind.
    pub kind: Kind,
    /// Only ids that begin with this.
    pub prefix: String,
    /// Only objects whose state matches.
    pub filter: Option<Filter>,
    /// By the value of a field; otherwise by id. Ids are ordered by their bytes.
    pub order: Option<Order>,
    /// Continue after this place in the order.
    pub after: Option<ListCursor>,
    /// At most so many; at least one. A page may have less, and say that there are more.
    pub limit: usize,
}

/// An order of objects by a field of their states: by [`filter::total_order`] of its values, and by id
/// where they are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The field.
    pub path: Path,
    /// The other way round, ids too.
    pub descending: bool,
}

/// A place in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The id of the last object before the place.
    pub id: String,
    /// That object's ordered field, as [`Order::value`] gives it; `None` is `null`. It means nothing to a
    /// list by id.
    pub value: Option<Json>,
}

/// The indexes that a kind is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindIndexes {
    /// The kind.
    pub kind: Kind,
    /// The fields by which its objects are found and ordered.
    pub paths: Vec<Path>,
}

impl Order {
    /// Reads an order as people write it: `count`, or `-count` for descending.
    ///
    /// # Errors
    /// `bad_request` for what is no field.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (descending, field) = match text.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, text),
        };
        let path = Path::parse(field).map_err(|error| {
            Error::bad_request(format!(
                "the order {text:?} cannot be read: {}; write a field, such as `count`, or `-count` for descending",
                error.message
            ))
        })?;
        Ok(Self { path, descending })
    }

    /// The value that decides the place of a state: its field, but for lists and objects, which are all
    /// equal, an empty list.
    #[must_use]
    pub fn value<'v>(&self, state: &'v Value) -> Cow<'v, Value> {
        match self.path.find(state) {
            Value::Array(_) | Value::Object(_) => Cow::Owned(Value::Array(Vec::new())),
            value => Cow::Borrowed(value),
        }
    }

    /// How two objects are ordered, each given by value and id.
    #[must_use]
    pub fn compare(&self, left: (&Value, &str), right: (&Value, &str)) -> Ordering {
        let ordering = filter::total_order(left.0, right.0).then_with(|| left.1.cmp(right.1));
        if self.descending { ordering.reverse() } else { ordering }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(f, "{sign}{}", self.path)
    }
}

impl ListCursor {
    /// The place after the object with this id in a list by id.
    #[must_use]
    pub fn after_id(id: impl Into<String>) -> Self {
        Self { id: id.into(), value: None }
    }

    /// The place after the object with this id and this value of the ordered field.
    #[must_use]
    pub fn after_value(id: impl Into<String>, value: &Value) -> Self {
        Self { id: id.into(), value: Some(Json::trusted(value.to_string())).filter(|_| !value.is_null()) }
    }

    /// The value of the ordered field.
    #[must_use]
    pub fn ordered(&self) -> Value {
        self.value.as_ref().map_or(Value::Null, Json::value)
    }
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its head.
    pub seq: Seq,
    /// Its state.
    pub state: Json,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Listed {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        ROW_BYTES + self.id.len() + self.state.as_str().len()
    }
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// The objects, in the order asked for.
    pub objects: Vec<Listed>,
    /// Where to go on: after the last object. `None` if there are no more right now.
    pub next: Option<ListCursor>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_is_read_as_it_prints() {
        for text in ["count", "-count", "address.city", "-votes.`a@b.c`"] {
            assert_eq!(Order::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "-", "--count", "count>5", "a b", "5"] {
            let error = Order::parse(text).unwrap_err();
            assert!(error.detail().contains("`-count` for descending"), "{text:?}: {error}");
        }
    }

    #[test]
    fn descending_is_the_reverse_of_values_and_of_ids() {
        let ascending = Order::parse("n").unwrap();
        let descending = Order::parse("-n").unwrap();
        let objects = [(json!(1), "b"), (json!(1), "a"), (json!(null), "c"), (json!("1"), "a"), (json!([]), "a")];
        for (left, left_id) in &objects {
            for (right, right_id) in &objects {
                let (left, right) = ((left, *left_id), (right, *right_id));
                assert_eq!(ascending.compare(left, right), descending.compare(right, left));
            }
        }
        assert!(ascending.compare((&json!(1), "a"), (&json!(1.0), "b")).is_lt());
    }

    #[test]
    fn a_list_and_an_object_have_one_place() {
        let order = Order::parse("a.b").unwrap();
        for state in [json!({"a": {"b": [1]}}), json!({"a": {"b": {"c": 1}}})] {
            assert_eq!(*order.value(&state), json!([]));
        }
        assert_eq!(*order.value(&json!({"a": [1]})), json!(null));
    }
}
