//! Kinds that programs written with distobject share with Abide.
//!
//! Such a program keeps an object as one flat hash of strings at `<prefix>:<ULID>`, and publishes
//! `{"id":"<key>","changes":{"field":"string"}}` for each update, apart from its write. Abide does the
//! same in its commits, so that those programs see its updates, and takes theirs in:
//!
//! - **The typed state stays Abide's own**, in the object's hash as every kind has it. The flat hash
//!   beside it holds strings alone, and no field that the state does not have. A third key holds what
//!   of the flat hash Abide wrote or took in last; whatever differs from it is a foreign write.
//! - **A foreign write becomes a change** with the cause `distobject`: one for each message, in the
//!   order of messages, or one for all that a load finds first. It is a commit like any other, on the
//!   head it was read at, in one script: an owner that committed meanwhile makes it start over, and an
//!   owner that did not know of it is told `Conflict`, loads the object again and sees it.
//! - **A commit of Abide writes only fields that it changed.** Where it changes a field that a foreign
//!   write changed a moment ago, the later one counts, as between two programs of distobject.
//! - **Messages can be lost; hashes are not.** After each new subscription, and every so often, all
//!   hashes of the kind are compared with what was taken in.
//! - **What was deleted stays deleted**: a foreign write to a grave is removed again.

mod absorb;
mod form;
mod listen;

use std::collections::BTreeMap;

use abide_core::{Json, Key, Kind};

pub(super) use absorb::absorb;
pub(super) use listen::listen;

/// That a kind is kept as distobject keeps its objects. Only objects of the namespace `default` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindLayout {
    /// The kind.
    pub kind: Kind,
    /// What keys begin with: an object is at `<prefix>:<id>`.
    pub prefix: String,
    /// The channel of messages.
    pub channel: String,
    /// How the strings of fields are read. Others are read as what the field was before, or as text.
    pub fields: BTreeMap<String, FieldForm>,
}

/// What a field's string stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldForm {
    /// A text.
    Text,
    /// A number; an empty string is `null`.
    Number,
    /// `true` and `false`, also as Python writes them, or `1` and `0`.
    Bool,
    /// A JSON value.
    Json,
}

/// The layouts of a store, by kind.
pub(super) type Layouts = BTreeMap<String, KindLayout>;

impl KindLayout {
    /// The key of the flat hash of an object.
    pub(super) fn flat(&self, key: &Key) -> String {
        format!("{}:{}", self.prefix, key.id())
    }

    /// The object whose flat hash is at this key.
    pub(super) fn object(&self, flat: &str) -> Option<Key> {
        let id = flat.strip_prefix(&self.prefix)?.strip_prefix(':')?;
        Key::parse("default", self.kind.as_str(), id).ok()
    }

    /// The fields of a state as strings, with `updated_at` as seconds.
    pub(super) fn strings(&self, state: &Json, updated_at: abide_core::Timestamp) -> Vec<(String, String)> {
        let serde_json::Value::Object(state) = state.value() else { return Vec::new() };
        let string = |(name, value): (String, serde_json::Value)| {
            let text =
                if name == "updated_at" { (updated_at.as_millis() / 1_000).to_string() } else { form::write(&value) };
            (name, text)
        };
        state.into_iter().map(string).collect()
    }
}

/// The layout of an object's kind, if it has one here.
pub(super) fn of<'l>(layouts: &'l Layouts, key: &Key) -> Option<&'l KindLayout> {
    layouts.get(key.kind().as_str()).filter(|_| key.namespace().as_str() == "default")
}
