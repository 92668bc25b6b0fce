//! What servers answer, as what it means.

use std::collections::BTreeMap;

use abide_core::StoreError;
use redis::Value;

use super::fault::damaged;

/// Whether commits were refused because indexes were declared meanwhile.
pub(super) fn is_refusal(value: &Value) -> bool {
    matches!(value, Value::Array(all) if matches!(&all[..], [Value::BulkString(one)] if one == b"I"))
}

pub(super) fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Array(all) if all.is_empty())
}

pub(super) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(all) | Value::Set(all) => Ok(all),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()),
        other => Err(damaged(format!("the server answered {other:?} where a list was expected"))),
    }
}

/// Rows, and the number behind them: how many there would have been.
pub(super) fn counted(value: Value) -> Result<(Vec<Value>, usize), StoreError> {
    let mut rows = list(value)?;
    let found = rows.pop().map_or(Ok(0), number)?;
    Ok((rows, usize::try_from(found).unwrap_or(usize::MAX)))
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        other => Err(damaged(format!("the server answered {other:?} where a text was expected"))),
    }
}

pub(super) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(|_| damaged("a text is no UTF-8"))
}

/// A text, or nothing where there is none.
pub(super) fn maybe(value: Value) -> Result<Option<String>, StoreError> {
    match value {
        Value::Nil | Value::Boolean(false) => Ok(None),
        value => text(value).map(Some),
    }
}

pub(super) fn texts(value: &Value) -> Result<Vec<String>, StoreError> {
    list(value.clone())?.into_iter().map(text).collect()
}

pub(super) fn number(value: Value) -> Result<u64, StoreError> {
    match value {
        Value::Nil => Ok(0),
        value => digits(&text(value)?),
    }
}

/// A number that was stored as digits.
pub(super) fn digits(text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| damaged(format!("{text:?} is stored where a number is expected")))
}

/// Names and values of a hash; values that are no text are left out.
pub(super) fn hash(value: Value) -> Result<BTreeMap<String, String>, StoreError> {
    let mut all = list(value)?.into_iter();
    let mut found = BTreeMap::new();
    while let (Some(name), Some(value)) = (all.next(), all.next()) {
        let name = text(name)?;
        if let Ok(value) = String::from_utf8(bytes(value)?) {
            found.insert(name, value);
        }
    }
    Ok(found)
}
