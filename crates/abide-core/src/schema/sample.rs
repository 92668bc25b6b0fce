//! Values that are fed to a type to see what it says.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The name under which `serde_json` asks for JSON text as it is.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A value to feed.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Null,
    Bool(bool),
    Integer(u64),
    Float(f64),
    /// A text, a character, the name of a field or of a unit variant.
    Text(&'static str),
    Bytes,
    List(Vec<Sample>),
    Map(Vec<(Sample, Sample)>),
    Variant(&'static str, Box<Sample>),
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The walk is done.
    Stop,
    /// A field was left out that may not be.
    Missing(&'static str),
    /// A field was given that the type does not know.
    Unknown,
    /// A field was given twice: its proper name, also when an alias was given.
    Duplicate(&'static str),
    /// Anything else.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Duplicate(field)
    }
}

impl<'de> IntoDeserializer<'de, Refusal> for Sample {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Sample {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Integer(value) => visitor.visit_u64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Bytes => visitor.visit_borrowed_bytes(b""),
            Self::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Self::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
            Self::Variant(..) => visitor.visit_enum(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        if name == RAW_VALUE {
            let entry = (Self::Text(RAW_VALUE), Self::Text("null"));
            return Self::Map(vec![entry]).deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Sample {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refusal> {
        match self {
            Self::Text(name) => Ok((seed.deserialize(Self::Text(name))?, Self::Null)),
            Self::Variant(name, payload) => Ok((seed.deserialize(Self::Text(name))?, *payload)),
            _ => Err(Refusal::Other),
        }
    }
}

/// A sample as the payload of a variant.
impl<'de> VariantAccess<'de> for Sample {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match self {
            Self::Null => Ok(()),
            _ => Err(Refusal::Other),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_any(visitor)
    }
}
