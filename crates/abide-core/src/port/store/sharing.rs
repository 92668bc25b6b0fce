use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Number, Value};

use super::StoreError;
use crate::{
    key::{Key, Kind},
    port::BoxFuture,
};

/// Fields and their strings, as foreign programs write them.
pub type Strings = BTreeMap<String, String>;

/// A kind whose objects are also kept the way that programs written with distobject keep theirs: one
/// flat hash of strings for each, and a message for each update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKind {
    /// The kind. Only its objects in the namespace `default` are shared.
    pub kind: Kind,
    /// What keys begin with: an object is at `<prefix>:<id>`.
    pub prefix: String,
    /// The channel of messages.
    pub channel: String,
}

/// A sign that foreign programs may have written to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object.
    pub key: Key,
    /// What a message of theirs said; `None`: its hash has to be compared.
    pub said: Option<Strings>,
    /// Grows from one message to the next; zero where no message is behind it.
    pub number: u64,
}

impl Notice {
    /// That the object's hash has to be compared with what was taken in.
    pub fn compare(key: Key) -> Self {
        Self { key, said: None, number: 0 }
    }
}

/// Sharing objects with foreign programs.
///
/// # Order
/// Notices of one object come in the order of their messages. Whoever owns the object looks at them one
/// after the other, each when its own commits before are durable, and takes in what it is told by a
/// commit with [`Commit::taken`](super::Commit::taken), before it looks at the next.
///
/// # Completeness
/// A write whose message is lost is found by a later notice: after each new connection, and every so
/// often, everything is compared.
pub trait Sharing: Send + Sync {
    /// The next notice. `None` when the store is closed. One caller at a time.
    fn next(&self) -> BoxFuture<'_, Option<Notice>>;

    /// What is new: fields that foreign programs wrote and nobody took in. `None` if there is nothing, or if
    /// the object was deleted; then what was written to it is removed.
    fn look(&self, notice: Notice) -> BoxFuture<'static, Result<Option<Strings>, StoreError>>;
}

/// What a store answers that shares objects.
pub type Shares = Result<Arc<dyn Sharing>, StoreError>;

/// What a field's string stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldForm {
    /// A text.
    Text,
    /// A text, or nothing: an empty string is `null`.
    OptionalText,
    /// A number; an empty string is `null`.
    Number,
    /// `true` and `false`, also as Python writes them, or `1` and `0`.
    Bool,
    /// A JSON value; an empty string is `null`.
    Json,
}

impl FieldForm {
    /// What a field most likely holds, by the value it has.
    pub fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null | Value::String(_)) => Self::Text,
            Some(Value::Number(_)) => Self::Number,
            Some(Value::Bool(_)) => Self::Bool,
            Some(Value::Array(_) | Value::Object(_)) => Self::Json,
        }
    }

    /// What a field holds, by its JSON Schema; `None` if that leaves it open.
    pub fn of_schema(schema: &Value) -> Option<Self> {
        let types: Vec<&str> = match schema.get("type")? {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => return None,
        };
        let optional = types.contains(&"null");
        let mut others = types.into_iter().filter(|one| *one != "null");
        match (others.next()?, others.next()) {
            ("string", None) if optional => Some(Self::OptionalText),
            ("string", None) => Some(Self::Text),
            ("integer" | "number", None) => Some(Self::Number),
            ("boolean", None) => Some(Self::Bool),
            ("array" | "object", None) => Some(Self::Json),
            _ => None,
        }
    }

    /// A string as a value; `None` if it is not what the field holds.
    pub fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::String(text.into())),
            Self::OptionalText | Self::Number | Self::Json if text.is_empty() => Some(Value::Null),
            Self::OptionalText => Some(Value::String(text.into())),
            Self::Number => text.parse::<Number>().ok().map(Value::Number),
            Self::Bool => match text {
                "true" | "True" | "1" => Some(Value::Bool(true)),
                "false" | "False" | "0" | "" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Json => serde_json::from_str(text).ok(),
        }
    }

    /// A value as a string: a text as it is, `null` as nothing, anything else as JSON.
    pub fn write(value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back_from_its_string() {
        for value in [json!("a"), json!(""), json!(5), json!(-1.5), json!(true), json!([1, "x"]), json!({"a": null})] {
            assert_eq!(FieldForm::of(Some(&value)).read(&FieldForm::write(&value)), Some(value));
        }
    }

    #[test]
    fn what_python_and_go_write_is_read() {
        assert_eq!(FieldForm::Bool.read("True"), Some(json!(true)));
        assert_eq!(FieldForm::Number.read(""), Some(json!(null)));
        assert_eq!(FieldForm::Number.read("1e3"), Some(json!(1000.0)));
        assert_eq!(FieldForm::Number.read("many"), None);
        assert_eq!(FieldForm::Bool.read("maybe"), None);
        assert_eq!(FieldForm::OptionalText.read(""), Some(json!(null)));
    }

    #[test]
    fn a_schema_says_what_a_field_holds() {
        for (schema, form) in [
            (json!({"type": "string"}), Some(FieldForm::Text)),
            (json!({"type": ["string", "null"]}), Some(FieldForm::OptionalText)),
            (json!({"type": ["integer", "null"]}), Some(FieldForm::Number)),
            (json!({"type": "boolean"}), Some(FieldForm::Bool)),
            (json!({"type": "array", "items": {}}), Some(FieldForm::Json)),
            (json!({"type": ["string", "integer"]}), None),
            (json!({}), None),
        ] {
            assert_eq!(FieldForm::of_schema(&schema), form, "{schema}");
        }
    }
}
