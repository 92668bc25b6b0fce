//! How an object's state becomes JSON, field by field, and what of it changed.

use std::{cell::Cell, fmt};

use serde::{
    Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{finite::Noticed, json::Json, operation::Operation};

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
    fn decode_field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Hands over what the collection fields did since the last call.
    fn take_operations(&mut self, _out: &mut Operations) {}

    /// Takes over the fields that are not stored from another value, which is thrown away then.
    fn keep_unstored(&mut self, _from: &mut Self) {}

    /// The fields by which objects are found and listed fast, as paths of a filter.
    fn indexes() -> &'static [&'static str] {
        &[]
    }

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

    fn of(&self, field: &[u8]) -> Option<&[Operation]> {
        self.0.iter().find(|(name, _)| name.as_bytes() == field).map(|(_, operations)| operations.as_slice())
    }
}

/// Where a field lies in the encoded text: its name (as JSON, with quotes) and its value.
#[derive(Clone, Copy, Debug)]
struct Span {
    name: (u32, u32),
    value: (u32, u32),
}

/// Collects the fields of a state as one JSON object: the state, encoded, and where each field lies in it.
///
/// It keeps its buffers, so that encoding an object again and again allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    text: Vec<u8>,
    fields: Vec<Span>,
    doubtful: bool,
}

/// An encoded state: an [`Encoder`] that has been filled.
pub type Encoded = Encoder;

impl Encoder {
    /// The state of an object that is not there yet: no fields at all.
    pub fn nothing() -> Self {
        Self { text: b"{}".to_vec(), ..Self::default() }
    }

    /// Finds the fields in a stored state.
    pub fn parse(json: &Json) -> Result<Self, serde_json::Error> {
        Ok(Self { text: json.as_str().as_bytes().to_vec(), fields: find_fields(json.as_str())?, doubtful: false })
    }

    /// Encodes a state and the fields that its type does not know.
    pub fn of<S: State>(state: &S, unknown: &Unknown) -> Result<Self, serde_json::Error> {
        let mut encoded = Self::default();
        encoded.fill(state, unknown)?;
        Ok(encoded)
    }

    /// Encodes a state, and the fields that its type does not know, in place of what was here.
    pub fn fill<S: State>(&mut self, state: &S, unknown: &Unknown) -> Result<(), serde_json::Error> {
        self.text.clear();
        self.fields.clear();
        self.doubtful = false;
        state.encode(self)?;
        for (name, value) in &unknown.0 {
            self.field(name, value)?;
        }
        if self.fields.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        if self.text.len() >= u32::MAX as usize {
            return Err(serde::ser::Error::custom("the state is larger than 4 GiB"));
        }
        Ok(())
    }

    /// Becomes a copy of `other`, in the buffers it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.text.clear();
        self.text.extend_from_slice(&other.text);
        self.fields.clear();
        self.fields.extend_from_slice(&other.fields);
        self.doubtful = other.doubtful;
    }

    /// Writes one field. Names must differ.
    pub fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), serde_json::Error> {
        self.text.push(if self.fields.is_empty() { b'{' } else { b',' });
        let name_start = offset(self.text.len());
        serde_json::to_writer(&mut self.text, name)?;
        let name_end = offset(self.text.len());
        self.text.push(b':');
        let value_start = offset(self.text.len());
        let seen = Cell::new(false);
        serde_json::to_writer(&mut self.text, &Noticed { value, seen: &seen })?;
        self.doubtful |= seen.get();
        self.fields.push(Span { name: (name_start, name_end), value: (value_start, offset(self.text.len())) });
        Ok(())
    }

    /// Whether a number in it is not finite. JSON has none of these: it became `null`, which few types read back.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The whole state.
    pub fn json(&self) -> Json {
        Json::trusted(self.as_str())
    }

    /// The whole state as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_else(|_| unreachable!("BUG: serde_json wrote invalid UTF-8"))
    }

    fn bytes(&self, span: (u32, u32)) -> &[u8] {
        &self.text[span.0 as usize..span.1 as usize]
    }

    fn value_of(&self, index: usize, name: &[u8]) -> Option<&[u8]> {
        let here = self.fields.get(index).filter(|span| self.bytes(span.name) == name);
        let span = here.or_else(|| self.fields.iter().find(|span| self.bytes(span.name) == name))?;
        Some(self.bytes(span.value))
    }

    /// What it takes to get from `before` to this.
    pub fn patch_from(&self, before: &Self, operations: &Operations) -> Patch {
        let mut patch = Patch::default();
        let mut added = 0;
        for (index, span) in self.fields.iter().enumerate() {
            let (name, value) = (self.bytes(span.name), self.bytes(span.value));
            match before.value_of(index, name) {
                Some(old) if old == value => {}
                Some(_) => match operations.of(&name[1..name.len() - 1]) {
                    Some(operations) => patch.operate(name, operations),
                    None => patch.set(name, value),
                },
                None => {
                    added += 1;
                    patch.set(name, value);
                }
            }
        }
        if before.fields.len() + added != self.fields.len() {
            for span in &before.fields {
                let name = before.bytes(span.name);
                if self.value_of(usize::MAX, name).is_none() {
                    patch.remove(name);
                }
            }
        }
        patch
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The difference between two encoded states, as JSON ready for the wire.
#[derive(Debug, Default)]
pub struct Patch {
    set: Vec<u8>,
    operations: Vec<u8>,
    removed: Vec<u8>,
}

impl Patch {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.operations.is_empty() && self.removed.is_empty()
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.set.reserve(name.len() + value.len() + 2);
        separate(&mut self.set);
        self.set.extend_from_slice(name);
        self.set.push(b':');
        self.set.extend_from_slice(value);
    }

    fn operate(&mut self, name: &[u8], operations: &[Operation]) {
        separate(&mut self.operations);
        self.operations.extend_from_slice(name);
        self.operations.push(b':');
        self.operations.extend(serde_json::to_vec(operations).unwrap_or_default());
    }

    fn remove(&mut self, name: &[u8]) {
        separate(&mut self.removed);
        self.removed.extend_from_slice(name);
    }

    /// Writes `"patch":{…}` and, where there are any, `,"ops":{…}` and `,"removed":[…]`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"patch\":{");
        out.extend_from_slice(&self.set);
        out.push(b'}');
        if !self.operations.is_empty() {
            out.extend_from_slice(b",\"ops\":{");
            out.extend_from_slice(&self.operations);
            out.push(b'}');
        }
        if !self.removed.is_empty() {
            out.extend_from_slice(b",\"removed\":[");
            out.extend_from_slice(&self.removed);
            out.push(b']');
        }
    }
}

fn separate(text: &mut Vec<u8>) {
    if !text.is_empty() {
        text.push(b',');
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

/// Decodes a stored state; fields that are missing keep their default. What its collections do from
/// here on is recorded as operations on that state.
pub fn decode<S: State>(text: &str) -> Result<(S, Unknown), serde_json::Error> {
    let (mut state, unknown) = decode_migrated::<S>(text)?;
    state.take_operations(&mut Operations::default());
    Ok((state, unknown))
}

/// Decodes a state that is not the stored one: the next change holds its collections whole.
pub fn decode_migrated<S: State>(text: &str) -> Result<(S, Unknown), serde_json::Error> {
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
    let decoded = de::Deserializer::deserialize_map(&mut decoder, StateVisitor(S::default(), Unknown::default()))?;
    decoder.end()?;
    Ok(decoded)
}

/// Where the top-level fields of an object lie in its text.
fn find_fields(text: &str) -> Result<Vec<Span>, serde_json::Error> {
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
                fields.push(Span { name: place(name.get()), value: place(value.get()) });
            }
            Ok(fields)
        }
    }
    let mut decoder = serde_json::Deserializer::from_str(text);
    de::Deserializer::deserialize_map(&mut decoder, Fields(text.as_ptr().addr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    #[derive(Debug, Default)]
    struct Free(Map<String, Value>);

    impl State for Free {
        fn encode(&self, out: &mut Encoder) -> Result<(), serde_json::Error> {
            self.0.iter().try_for_each(|(name, value)| out.field(name, value))
        }
        fn decode_field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
            self.0.insert(name.into(), map.next_value()?);
            Ok(true)
        }
    }

    fn encoded(value: &Value) -> Encoded {
        Encoded::of(&Free(value.as_object().unwrap().clone()), &Unknown::default()).unwrap()
    }

    fn patch(before: &Value, after: &Value) -> Value {
        let before = Encoded::parse(&encoded(before).json()).unwrap();
        let mut text = b"{".to_vec();
        encoded(after).patch_from(&before, &Operations::default()).write(&mut text);
        text.push(b'}');
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn a_patch_has_just_the_fields_that_differ() {
        let p = patch(&json!({"a": 1, "b": [1], "c": "x"}), &json!({"a": 1, "b": [1, 2], "c": "x"}));
        assert_eq!(p, json!({"patch": {"b": [1, 2]}}));
        assert_eq!(patch(&json!({"a": 1}), &json!({"a": 1})), json!({"patch": {}}));
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
