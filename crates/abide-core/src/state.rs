//! How an object's state becomes JSON, field by field, and what of it changed.

use std::fmt;

use serde::{
    Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{json::Json, operation::Operation};

/// The state of an object: named fields that are encoded one by one.
///
/// `#[derive(State)]` writes this. An object that was never changed is `Self::default()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of an object",
    note = "add `#[derive(State, Default)]` to the struct"
)]
pub trait State: Default + Send + Sync + 'static {
    /// Writes every field.
    fn encode(&self, out: &mut Encoder) -> Result<(), serde_json::Error>;

    /// Reads the value of the field `name` from `map` into `self`. `Ok(false)`, with the value left
    /// unread, if there is no such field.
    fn decode_field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<bool, A::Error>;

    /// Hands over what the collection fields did since the last call.
    fn take_operations(&mut self, _out: &mut Operations) {}

    /// The JSON Schema of the state.
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "object"})
    }
}

/// The operations of a turn, by field.
#[derive(Debug, Default)]
pub struct Operations(Vec<(&'static str, Vec<Operation>)>);

impl Operations {
    /// Adds what `field` did.
    pub fn push(&mut self, field: &'static str, operations: Vec<Operation>) {
        if !operations.is_empty() {
            self.0.push((field, operations));
        }
    }

    fn of(&self, field: &str) -> Option<&[Operation]> {
        self.0
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, operations)| operations.as_slice())
    }
}

/// Where a field lies in the encoded text: its name (as JSON, with quotes) and its value.
#[derive(Clone, Copy, Debug)]
struct Span {
    name: (u32, u32),
    value: (u32, u32),
}

/// Collects the fields of a state as one JSON object.
#[derive(Debug, Default)]
pub struct Encoder {
    text: Vec<u8>,
    fields: Vec<Span>,
}

impl Encoder {
    /// Writes one field. Names must differ.
    pub fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.text
            .push(if self.fields.is_empty() { b'{' } else { b',' });
        let name_start = offset(self.text.len());
        serde_json::to_writer(&mut self.text, name)?;
        let name_end = offset(self.text.len());
        self.text.push(b':');
        let value_start = offset(self.text.len());
        serde_json::to_writer(&mut self.text, value)?;
        self.fields.push(Span {
            name: (name_start, name_end),
            value: (value_start, offset(self.text.len())),
        });
        Ok(())
    }

    fn finish(mut self) -> Encoded {
        if self.fields.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        let text = String::from_utf8(self.text)
            .unwrap_or_else(|_| unreachable!("BUG: serde_json wrote invalid UTF-8"));
        Encoded {
            json: Json::trusted(text),
            fields: self.fields.into(),
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// An encoded state and where each field lies in it.
#[derive(Clone, Debug)]
pub struct Encoded {
    json: Json,
    fields: Box<[Span]>,
}

impl Encoded {
    /// The state of an object that is not there yet: no fields at all.
    pub fn nothing() -> Self {
        Encoder::default().finish()
    }

    /// Encodes a state and the fields that its type does not know.
    pub fn of<S: State>(state: &S, unknown: &Unknown) -> Result<Self, serde_json::Error> {
        let mut encoder = Encoder {
            text: Vec::with_capacity(128),
            fields: Vec::with_capacity(8),
        };
        state.encode(&mut encoder)?;
        for (name, value) in &unknown.0 {
            encoder.field(name, value)?;
        }
        if encoder.text.len() >= u32::MAX as usize {
            return Err(serde::ser::Error::custom("the state is larger than 4 GiB"));
        }
        Ok(encoder.finish())
    }

    /// Finds the fields in a stored state.
    pub fn parse(json: Json) -> Result<Self, serde_json::Error> {
        let fields = find_fields(json.as_str())?;
        Ok(Self { json, fields })
    }

    /// The whole state.
    pub fn json(&self) -> &Json {
        &self.json
    }

    fn text(&self, span: (u32, u32)) -> &str {
        &self.json.as_str()[span.0 as usize..span.1 as usize]
    }

    fn value_of(&self, index: usize, name: &str) -> Option<&str> {
        let here = self
            .fields
            .get(index)
            .filter(|span| self.text(span.name) == name);
        let span = here.or_else(|| self.fields.iter().find(|span| self.text(span.name) == name))?;
        Some(self.text(span.value))
    }

    /// What it takes to get from `before` to this.
    pub fn patch_from(&self, before: &Self, operations: &Operations) -> Patch {
        let mut patch = Patch::default();
        for (index, span) in self.fields.iter().enumerate() {
            let (name, value) = (self.text(span.name), self.text(span.value));
            match before.value_of(index, name) {
                Some(old) if old == value => {}
                Some(_) => match operations.of(name.trim_matches('"')) {
                    Some(operations) => patch.operate(name, operations),
                    None => patch.set(name, value),
                },
                None => patch.set(name, value),
            }
        }
        if before.fields.len() + patch.added(before, self) != self.fields.len() {
            for span in &before.fields {
                let name = before.text(span.name);
                if self.value_of(usize::MAX, name).is_none() {
                    patch.remove(name);
                }
            }
        }
        patch
    }
}

/// The difference between two encoded states, as JSON ready for the wire.
#[derive(Debug, Default)]
pub struct Patch {
    set: String,
    operations: String,
    removed: String,
}

impl Patch {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.operations.is_empty() && self.removed.is_empty()
    }

    fn set(&mut self, name: &str, value: &str) {
        separate(&mut self.set);
        self.set.push_str(name);
        self.set.push(':');
        self.set.push_str(value);
    }

    fn operate(&mut self, name: &str, operations: &[Operation]) {
        separate(&mut self.operations);
        self.operations.push_str(name);
        self.operations.push(':');
        self.operations
            .push_str(&serde_json::to_string(operations).unwrap_or_default());
    }

    fn remove(&mut self, name: &str) {
        separate(&mut self.removed);
        self.removed.push_str(name);
    }

    /// How many fields `after` has that `before` has not.
    fn added(&self, before: &Encoded, after: &Encoded) -> usize {
        if self.set.is_empty() {
            return 0;
        }
        let names = after.fields.iter().enumerate();
        names
            .filter(|(index, span)| before.value_of(*index, after.text(span.name)).is_none())
            .count()
    }

    /// Writes `"patch":{…}` and, where there are any, `,"ops":{…}` and `,"removed":[…]`.
    pub fn write(&self, out: &mut String) {
        out.push_str("\"patch\":{");
        out.push_str(&self.set);
        out.push('}');
        if !self.operations.is_empty() {
            out.push_str(",\"ops\":{");
            out.push_str(&self.operations);
            out.push('}');
        }
        if !self.removed.is_empty() {
            out.push_str(",\"removed\":[");
            out.push_str(&self.removed);
            out.push(']');
        }
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
}

/// The fields of a stored state that its type does not know: kept, never dropped.
#[derive(Clone, Debug, Default)]
pub struct Unknown(Vec<(String, Box<RawValue>)>);

impl Unknown {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Decodes a stored state; fields that are missing keep their default.
pub fn decode<S: State>(text: &str) -> Result<(S, Unknown), serde_json::Error> {
    struct StateVisitor<S>(S, Unknown);
    impl<'de, S: State> Visitor<'de> for StateVisitor<S> {
        type Value = (S, Unknown);
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of fields")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if !self.0.decode_field(&name, &mut map)? {
                    self.1.0.push((name.into_owned(), map.next_value()?));
                }
            }
            Ok((self.0, self.1))
        }
    }
    let mut decoder = serde_json::Deserializer::from_str(text);
    let (mut state, unknown) = de::Deserializer::deserialize_map(
        &mut decoder,
        StateVisitor(S::default(), Unknown::default()),
    )?;
    decoder.end()?;
    state.take_operations(&mut Operations::default());
    Ok((state, unknown))
}

/// Where the top-level fields of an object lie in its text.
fn find_fields(text: &str) -> Result<Box<[Span]>, serde_json::Error> {
    struct Fields(usize);
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<Span>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of fields")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            let place = |part: &str| {
                let start = part.as_ptr().addr() - self.0;
                (offset(start), offset(start + part.len()))
            };
            while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                fields.push(Span {
                    name: place(name.get()),
                    value: place(value.get()),
                });
            }
            Ok(fields)
        }
    }
    let mut decoder = serde_json::Deserializer::from_str(text);
    de::Deserializer::deserialize_map(&mut decoder, Fields(text.as_ptr().addr())).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    #[derive(Debug, Default)]
    struct Free(Map<String, Value>);

    impl State for Free {
        fn encode(&self, out: &mut Encoder) -> Result<(), serde_json::Error> {
            self.0
                .iter()
                .try_for_each(|(name, value)| out.field(name, value))
        }
        fn decode_field<'de, A: MapAccess<'de>>(
            &mut self,
            name: &str,
            map: &mut A,
        ) -> Result<bool, A::Error> {
            self.0.insert(name.into(), map.next_value()?);
            Ok(true)
        }
    }

    fn encoded(value: &Value) -> Encoded {
        Encoded::of(
            &Free(value.as_object().unwrap().clone()),
            &Unknown::default(),
        )
        .unwrap()
    }

    fn patch(before: &Value, after: &Value) -> Value {
        let before = Encoded::parse(encoded(before).json().clone()).unwrap();
        let mut text = String::from("{");
        encoded(after)
            .patch_from(&before, &Operations::default())
            .write(&mut text);
        text.push('}');
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_patch_has_just_the_fields_that_differ() {
        let p = patch(
            &json!({"a": 1, "b": [1], "c": "x"}),
            &json!({"a": 1, "b": [1, 2], "c": "x"}),
        );
        assert_eq!(p, json!({"patch": {"b": [1, 2]}}));
        assert_eq!(
            patch(&json!({"a": 1}), &json!({"a": 1})),
            json!({"patch": {}})
        );
    }

    #[test]
    fn a_patch_names_fields_that_came_and_went() {
        let p = patch(&json!({"a": 1, "q\"": 2}), &json!({"a": 1, "b": 3}));
        assert_eq!(p, json!({"patch": {"b": 3}, "removed": ["q\""]}));
    }

    proptest::proptest! {
        #[test]
        fn a_patch_leads_from_the_one_state_to_the_other(
            before: std::collections::BTreeMap<String, u8>, after: std::collections::BTreeMap<String, u8>,
            shared in proptest::collection::btree_map("[a-d]", 0u8..3, 0..4),
        ) {
            let mut old = json!(before); let mut new = json!(after);
            for (name, value) in &shared { old[name] = json!(value); new[name] = json!(value / 2); }
            let mut change = patch(&old, &new);
            change["seq"] = 1.into();
            change["at"] = "2026-01-02T03:04:05.678Z".into();
            let change: crate::change::Change = serde_json::from_value(change).unwrap();
            let mut state = old.as_object().unwrap().clone();
            change.apply(&mut state).unwrap();
            proptest::prop_assert_eq!(Value::Object(state), new);
        }
    }
}
