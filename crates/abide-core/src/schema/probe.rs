//! The deserializer that walks to one position of a type.

use std::any::type_name;
use std::cell::RefCell;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::sample::{RAW_VALUE, Refusal, Sample};
use super::shape::{Seen, Shape, Step};

/// One run of a type: what to do at the end of the walk, and what came of it.
pub(super) struct Run {
    /// What to feed there; without it, what the type asks for is noted.
    feed: Option<Sample>,
    seen: RefCell<Option<Seen>>,
    outcome: RefCell<Option<Result<(), Refusal>>>,
}

impl Run {
    /// A run that notes what the type asks for at the end of the walk.
    pub(super) fn noting() -> Self {
        Self { feed: None, seen: RefCell::default(), outcome: RefCell::default() }
    }

    /// A run that feeds a sample at the end of the walk.
    pub(super) fn feeding(sample: Sample) -> Self {
        Self { feed: Some(sample), ..Self::noting() }
    }

    /// What the type asked for at the end of the walk.
    pub(super) fn into_seen(self) -> Option<Seen> {
        self.seen.into_inner()
    }

    /// What the type said of the sample; a refusal when the walk did not get there.
    pub(super) fn into_outcome(self) -> Result<(), Refusal> {
        self.outcome.into_inner().unwrap_or(Err(Refusal::Other))
    }

    /// Notes what became of the value at the end of the walk. The first note counts: a type may try
    /// again in another way.
    pub(super) fn note_outcome<T>(&self, result: &Result<T, Refusal>) {
        let outcome = result.as_ref().map(|_| ()).map_err(Refusal::clone);
        self.outcome.borrow_mut().get_or_insert(outcome);
    }

    fn note_shape<T: ?Sized>(&self, shape: Shape, expecting: String) -> Refusal {
        let seen = Seen { shape, visitor: type_name::<T>(), expecting };
        self.seen.borrow_mut().get_or_insert(seen);
        Refusal::Stop
    }
}

/// A position from which `path` is still to be walked.
#[derive(Clone, Copy)]
pub(super) struct Probe<'p> {
    pub(super) run: &'p Run,
    pub(super) path: &'p [Step],
}

impl<'p> Probe<'p> {
    /// Answers a type that asks for `shape`: goes on walking, or does what is to be done at the end.
    fn answer<'de, V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, Refusal> {
        let Some((step, path)) = self.path.split_first() else {
            return self.arrive(shape, visitor);
        };
        let within = Probe { path, ..self };
        match step {
            Step::Some => within.noting(visitor.visit_some(within)),
            Step::Inner => within.noting(visitor.visit_newtype_struct(within)),
            Step::Item => visitor.visit_seq(Walk::new(within, Vec::new())),
            Step::After(before) => visitor.visit_seq(Walk::new(within, before.clone())),
            Step::Key => visitor.visit_map(Walk::new(within, Vec::new())),
            Step::Under(key) => visitor.visit_map(Walk::new(within, vec![key.clone()])),
            Step::Field(name) => visitor.visit_map(Walk::new(within, vec![Sample::Text(name)])),
            Step::Variant(name) => visitor.visit_enum(Variant { name, within }),
        }
    }

    /// Feeds the sample of the run, or notes what is asked for.
    fn arrive<'de, V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, Refusal> {
        let Some(sample) = self.run.feed.clone() else {
            let expecting = (&visitor as &dyn Expected).to_string();
            return Err(self.run.note_shape::<V>(shape, expecting));
        };
        match shape {
            Shape::Option => sample.deserialize_option(visitor),
            Shape::Newtype => sample.deserialize_newtype_struct("", visitor),
            Shape::Raw => sample.deserialize_newtype_struct(RAW_VALUE, visitor),
            Shape::Enum { name, variants } => sample.deserialize_enum(name, variants, visitor),
            _ => sample.deserialize_any(visitor),
        }
    }

    /// Deserializes the value at this position.
    fn enter<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        self.noting(seed.deserialize(self))
    }

    /// Notes the result for the value at this position, if the walk ends here.
    fn noting<T>(self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        if self.path.is_empty() {
            self.run.note_outcome(&result);
        }
        result
    }
}

macro_rules! answers {
    ($($method:ident => $shape:expr,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.answer($shape, visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refusal;

    answers! {
        deserialize_any => Shape::Any,
        deserialize_ignored_any => Shape::Any,
        deserialize_bool => Shape::Bool,
        deserialize_i8 => Shape::Integer { signed: true, bits: 8 },
        deserialize_i16 => Shape::Integer { signed: true, bits: 16 },
        deserialize_i32 => Shape::Integer { signed: true, bits: 32 },
        deserialize_i64 => Shape::Integer { signed: true, bits: 64 },
        deserialize_i128 => Shape::Integer { signed: true, bits: 128 },
        deserialize_u8 => Shape::Integer { signed: false, bits: 8 },
        deserialize_u16 => Shape::Integer { signed: false, bits: 16 },
        deserialize_u32 => Shape::Integer { signed: false, bits: 32 },
        deserialize_u64 => Shape::Integer { signed: false, bits: 64 },
        deserialize_u128 => Shape::Integer { signed: false, bits: 128 },
        deserialize_f32 => Shape::Float,
        deserialize_f64 => Shape::Float,
        deserialize_char => Shape::Char,
        deserialize_str => Shape::Text,
        deserialize_string => Shape::Text,
        deserialize_identifier => Shape::Identifier,
        deserialize_bytes => Shape::Bytes,
        deserialize_byte_buf => Shape::Bytes,
        deserialize_unit => Shape::Unit,
        deserialize_option => Shape::Option,
        deserialize_seq => Shape::Sequence,
        deserialize_map => Shape::Map,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.answer(Shape::Unit, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.answer(if name == RAW_VALUE { Shape::Raw } else { Shape::Newtype }, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.answer(Shape::Tuple(len), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.answer(Shape::Tuple(len), visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.answer(Shape::Struct { name, fields }, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.answer(Shape::Enum { name, variants }, visitor)
    }
}

/// A list or map that yields samples and then the position to enter.
struct Walk<'p> {
    before: std::vec::IntoIter<Sample>,
    within: Option<Probe<'p>>,
}

impl<'p> Walk<'p> {
    fn new(within: Probe<'p>, before: Vec<Sample>) -> Self {
        Self { before: before.into_iter(), within: Some(within) }
    }

    /// The next sample, else the position, else the end of the run.
    fn next<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        match (self.before.next(), self.within) {
            (Some(sample), _) => seed.deserialize(sample.into_deserializer()),
            (None, Some(within)) => {
                self.within = None;
                within.enter(seed)
            }
            (None, None) => Err(Refusal::Stop),
        }
    }
}

impl<'de> SeqAccess<'de> for Walk<'_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.next(seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Walk<'_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.next(seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        self.next(seed)
    }
}

/// A variant whose payload is the position to enter.
struct Variant<'p> {
    name: &'static str,
    within: Probe<'p>,
}

impl<'de, 'p> EnumAccess<'de> for Variant<'p> {
    type Error = Refusal;
    type Variant = Payload<'p>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Payload<'p>), Refusal> {
        Ok((seed.deserialize(Sample::Text(self.name))?, Payload(self.within)))
    }
}

struct Payload<'p>(Probe<'p>);

impl<'de> VariantAccess<'de> for Payload<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Err(self.0.run.note_shape::<()>(Shape::Unit, String::new()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        match self.0.path.split_first() {
            None => Err(self.0.run.note_shape::<S>(Shape::Newtype, String::new())),
            Some((_, path)) => Probe { path, ..self.0 }.enter(seed),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.0.answer(Shape::Tuple(len), visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.0.answer(Shape::Struct { name: "", fields }, visitor)
    }
}
