//! Notices numbers that JSON does not have: NaN and the infinities, which are written as `null`.

use std::{cell::Cell, fmt::Display};

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};

/// A value that says, when it is written, whether such a number is in it.
pub(crate) struct Noticed<'a, T: ?Sized> {
    pub(crate) value: &'a T,
    pub(crate) seen: &'a Cell<bool>,
}

impl<T: Serialize + ?Sized> Serialize for Noticed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Noticing { inner: serializer, seen: self.seen })
    }
}

/// Writes as `inner` does, and looks at the numbers.
struct Noticing<'a, S> {
    inner: S,
    seen: &'a Cell<bool>,
}

impl<'a, S> Noticing<'a, S> {
    fn of<'b, T: ?Sized>(&self, value: &'b T) -> Noticed<'b, T>
    where
        'a: 'b,
    {
        Noticed { value, seen: self.seen }
    }

    fn into<R, E>(self, begin: impl FnOnce(S) -> Result<R, E>) -> Result<Noticing<'a, R>, E> {
        Ok(Noticing { inner: begin(self.inner)?, seen: self.seen })
    }
}

macro_rules! as_inner {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Noticing<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Noticing<'a, S::SerializeSeq>;
    type SerializeTuple = Noticing<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Noticing<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Noticing<'a, S::SerializeTupleVariant>;
    type SerializeMap = Noticing<'a, S::SerializeMap>;
    type SerializeStruct = Noticing<'a, S::SerializeStruct>;
    type SerializeStructVariant = Noticing<'a, S::SerializeStructVariant>;

    as_inner!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str),
    );

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.seen.set(self.seen.get() | !value.is_finite());
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.seen.set(self.seen.get() | !value.is_finite());
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.of(value);
        self.inner.serialize_some(&value)
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.of(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.of(value);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.into(|inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.into(|inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.into(|inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.into(|inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.into(|inner| inner.serialize_map(len))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.into(|inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.into(|inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! parts {
    ($($part:ident: $method:ident($($name:ident)?)),* $(,)?) => {$(
        impl<S: $part> $part for Noticing<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: &'static str,)?
                value: &T,
            ) -> Result<(), S::Error> {
                self.inner.$method($($name,)? &Noticed { value, seen: self.seen })
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

parts!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(name),
    SerializeStructVariant: serialize_field(name),
);

impl<S: SerializeMap> SerializeMap for Noticing<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Noticed { value, seen: self.seen })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{json, value::RawValue};

    use super::*;

    fn check<T: Serialize>(value: &T, expected: bool) {
        let seen = Cell::new(false);
        let text = serde_json::to_string(&Noticed { value, seen: &seen }).unwrap();
        assert_eq!(text, serde_json::to_string(value).unwrap());
        assert_eq!(seen.get(), expected, "{text}");
    }

    #[derive(Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f64),
        Line(f32, f32),
        Box { width: f64, name: Option<String> },
    }

    #[derive(Serialize)]
    struct Pair(f64, Vec<Shape>);

    #[derive(Serialize)]
    struct Metres(f64);

    #[test]
    fn a_number_that_json_does_not_have_is_noticed_wherever_it_is() {
        for (number, odd) in [(1.5, false), (f64::NAN, true), (f64::INFINITY, true), (f64::NEG_INFINITY, true)] {
            let small = number as f32;
            check(&number, odd);
            check(&small, odd);
            check(&Some(number), odd);
            check(&Metres(number), odd);
            check(&[0.0, number], odd);
            check(&(1, "a", small, true), odd);
            check(&BTreeMap::from([(1, number)]), odd);
            check(&Pair(number, vec![]), odd);
            check(&Pair(0.0, vec![Shape::Point, Shape::Circle(number)]), odd);
            check(&Pair(0.0, vec![Shape::Line(0.0, small)]), odd);
            check(&Pair(0.0, vec![Shape::Box { width: number, name: None }]), odd);
        }
    }

    #[test]
    fn an_absent_value_is_none_of_them() {
        check(&json!({"a": null, "b": [1.5, null, {"c": "NaN"}], "d": u64::MAX}), false);
        check(&(None::<f64>, (), 'x', i128::MIN, u128::MAX), false);
        check(&RawValue::from_string("{\"a\" : null}".into()).unwrap(), false);
    }
}
