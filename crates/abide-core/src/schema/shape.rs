//! What a type asks for, and how to reach a position inside it.

use super::sample::Sample;

/// What a type asked its deserializer for.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Any,
    /// JSON text kept as it is (`serde_json::value::RawValue`).
    Raw,
    Bool,
    Integer {
        signed: bool,
        bits: u32,
    },
    Float,
    Char,
    Text,
    /// The name of a field: the keys of a struct with flattened fields.
    Identifier,
    Bytes,
    Unit,
    Option,
    Newtype,
    Sequence,
    Tuple(usize),
    Map,
    Struct {
        name: &'static str,
        fields: &'static [&'static str],
    },
    Enum {
        name: &'static str,
        variants: &'static [&'static str],
    },
}

/// One step from a value to a value inside it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Into a present option.
    Some,
    /// Into a newtype struct, or the payload of a newtype variant.
    Inner,
    /// To the first item of a sequence.
    Item,
    /// To the item of a tuple that follows these.
    After(Vec<Sample>),
    /// To the first key of a map.
    Key,
    /// To the value of a map under this key.
    Under(Sample),
    /// To a field of a struct or struct variant.
    Field(&'static str),
    /// To the payload of a variant.
    Variant(&'static str),
}

/// What was noted at the end of a walk.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) shape: Shape,
    /// The type of the visitor, which tells types of the same name apart.
    pub(super) visitor: &'static str,
    /// What the type says it expects.
    pub(super) expecting: String,
}
