//! Values as distobject's strings, and back.

use serde_json::{Number, Value};

use super::FieldForm;

/// A value as a string: a text as it is, `null` as nothing, anything else as JSON.
pub(super) fn write(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A string as a value; `None` if it is not what the field holds.
pub(super) fn read(text: &str, form: FieldForm) -> Option<Value> {
    match form {
        FieldForm::Text => Some(Value::String(text.into())),
        FieldForm::Number if text.is_empty() => Some(Value::Null),
        FieldForm::Number => text.parse::<Number>().ok().map(Value::Number),
        FieldForm::Bool => match text {
            "true" | "True" | "1" => Some(Value::Bool(true)),
            "false" | "False" | "0" | "" => Some(Value::Bool(false)),
            _ => None,
        },
        FieldForm::Json => serde_json::from_str(text).ok(),
    }
}

/// What a field most likely holds, by the value it has.
pub(super) fn of(value: Option<&Value>) -> FieldForm {
    match value {
        None | Some(Value::Null | Value::String(_)) => FieldForm::Text,
        Some(Value::Number(_)) => FieldForm::Number,
        Some(Value::Bool(_)) => FieldForm::Bool,
        Some(Value::Array(_) | Value::Object(_)) => FieldForm::Json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back_from_its_string() {
        for value in [json!("a"), json!(""), json!(5), json!(-1.5), json!(true), json!([1, "x"]), json!({"a": null})] {
            assert_eq!(read(&write(&value), of(Some(&value))), Some(value));
        }
    }

    #[test]
    fn what_python_and_go_write_is_read() {
        assert_eq!(read("True", FieldForm::Bool), Some(json!(true)));
        assert_eq!(read("", FieldForm::Number), Some(json!(null)));
        assert_eq!(read("1e3", FieldForm::Number), Some(json!(1000.0)));
        assert_eq!(read("many", FieldForm::Number), None);
        assert_eq!(read("maybe", FieldForm::Bool), None);
    }
}
