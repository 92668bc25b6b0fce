//! JSON text that is known to be well formed.

use std::{cell::Cell, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error as _};
use serde_json::{Error, value::RawValue};

use crate::finite::Noticed;

/// A JSON value kept as its text. Cloning is cheap; it was well formed when it was made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// The value `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Encodes a value. Fails where the value's own `Serialize` does, where a map key is not text, and where a
    /// number is not finite: JSON has no NaN, and whoever reads `null` in its place is told something else.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        finite(value, |value| serde_json::to_string(value)).map(|text| Self(text.into()))
    }

    /// Encodes a value as a dynamic one. Fails where [`Json::of`] does.
    pub fn value_of<T: Serialize + ?Sized>(value: &T) -> Result<serde_json::Value, Error> {
        finite(value, |value| serde_json::to_value(value))
    }

    /// Checks that `text` is one JSON value.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str::<&RawValue>(text).map(|raw| Self(raw.get().into()))
    }

    /// Takes text that the caller knows to be well formed: written by this crate or read from a store.
    pub fn trusted(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Decodes it.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.0)
    }

    /// Decodes it as a dynamic value; `null` if it is nested deeper than the decoder's limit.
    pub fn value(&self) -> serde_json::Value {
        self.decode().unwrap_or_default()
    }
}

/// Writes a value, and refuses it if a number in it is not finite.
fn finite<T: Serialize + ?Sized, R>(
    value: &T,
    write: impl FnOnce(&Noticed<'_, T>) -> Result<R, Error>,
) -> Result<R, Error> {
    let seen = Cell::new(false);
    let written = write(&Noticed { value, seen: &seen })?;
    if seen.get() {
        return Err(Error::custom("a number in it is not finite (NaN or infinite), which JSON does not have"));
    }
    Ok(written)
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.get().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_json_does_not_have_is_refused_instead_of_becoming_null() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = Json::of(&[Some(number)]).unwrap_err();
            assert!(error.to_string().contains("not finite"), "{error}");
        }
        assert_eq!(Json::of(&(1.5, None::<f64>)).unwrap().as_str(), "[1.5,null]");
    }
}
