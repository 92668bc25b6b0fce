use abide_core::{Change, Json, Key, Result, Seq, State, Timestamp};

use crate::object::Object;

/// Fact of objects, in the order of commits within each shard.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) items: Vec<Item>,
}

/// Fact of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The object.
    pub key: Key,
    /// What is new.
    pub fact: Fact,
}

/// What is new of an object.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all of them are changes; how large depends on what is built with it"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Its next change: patch, events and cause.
    Change(Change),
    /// What it has become. The changes that led there are not kept, or were not asked for: this takes the
    /// place of whatever the model has of the object.
    State {
        /// The seq that the state reflects.
        seq: Seq,
        /// The state.
        state: Json,
        /// When it last changed.
        at: Timestamp,
    },
    /// It was deleted.
    Gone {
        /// The seq of its deletion.
        seq: Seq,
        /// When it was deleted, as far as that is known.
        at: Timestamp,
    },
}

/// Fact of one object of a type.
#[derive(Debug)]
pub struct TypedItem<'b, O> {
    /// The object.
    pub key: &'b Key,
    /// What is new.
    pub fact: TypedFact<'b, O>,
}

/// What is new of an object of a type.
#[derive(Debug)]
pub enum TypedFact<'b, O> {
    /// Its next change.
    Change(&'b Change),
    /// What it has become: this takes the place of whatever the model has of it.
    State(O),
    /// It was deleted.
    Gone,
}

impl Batch {
    /// All of it.
    pub fn iter(&self) -> std::slice::Iter<'_, Item> {
        self.items.iter()
    }

    /// How much there is.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing; no projection is given such a batch.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The news of the objects of a type, states decoded. A state that does not fit the type is an error,
    /// for the projection to return.
    pub fn of<O: Object>(&self) -> impl Iterator<Item = Result<TypedItem<'_, O>>> {
        self.items.iter().filter(|item| item.key.kind().as_str() == O::KIND).map(Item::typed)
    }
}

impl<'b> IntoIterator for &'b Batch {
    type Item = &'b Item;
    type IntoIter = std::slice::Iter<'b, Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Item {
    /// The position in its object's log up to which it leads.
    pub fn seq(&self) -> Seq {
        match &self.fact {
            Fact::Change(change) => change.seq,
            Fact::State { seq, .. } | Fact::Gone { seq, .. } => *seq,
        }
    }

    /// When the object changed.
    pub fn at(&self) -> Timestamp {
        match &self.fact {
            Fact::Change(change) => change.at,
            Fact::State { at, .. } | Fact::Gone { at, .. } => *at,
        }
    }

    fn typed<O: State>(&self) -> Result<TypedItem<'_, O>> {
        let fact = match &self.fact {
            Fact::Change(change) => TypedFact::Change(change),
            Fact::Gone { .. } => TypedFact::Gone,
            Fact::State { seq, state, .. } => {
                let (state, _) = abide_core::state::decode::<O>(state.as_str()).map_err(|error| {
                    let detail = format!("the state of {} at seq {seq} does not fit its type: {error}", self.key);
                    abide_core::Error::internal(detail)
                })?;
                TypedFact::State(state)
            }
        };
        Ok(TypedItem { key: &self.key, fact })
    }
}
