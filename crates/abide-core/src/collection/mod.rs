//! Collections that record what was done to them: a change then holds the edits instead of the whole
//! new value.
//!
//! As a field of a state, each belongs to that field. A value that took the field's place (a default, a
//! clone, one moved in from elsewhere) reports no edits, and neither does one that was edited beyond
//! measure: then the whole new value stands in the change.

mod counter;
mod identity;
mod list;
mod map;
#[doc(hidden)]
pub mod probe;
mod set;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use crate::operation::Operation;

pub use counter::Counter;
pub use list::List;
pub use map::Map;
pub use probe::{Probe, ProbeCollection, ProbeOther};
pub use set::Set;

/// The most operations that one change holds for a field.
pub const OPERATIONS_MAX: usize = 256;

/// So many operations are always worth more than the whole value: they merge where a value replaces.
const OPERATIONS_FEW: usize = 16;

/// A field type that can say what was done to it.
pub trait Collection {
    /// What was done since the last call, if that leads from the value that `field` had then to this
    /// one; else nothing. From now on the value belongs to `field`.
    ///
    /// It is called once a turn, before the state is encoded.
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation>;
}

impl<C: Collection> Collection for Option<C> {
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation> {
        self.as_mut().map_or_else(Vec::new, |collection| collection.take_operations(field))
    }
}

/// Whether so many operations are too many to keep for a value of so many elements.
fn too_many(operations: usize, elements: usize) -> bool {
    operations > OPERATIONS_MAX || (operations > OPERATIONS_FEW && operations > elements)
}

/// The JSON form of a value, exactly as it stands in the encoded state; `None` if it has none.
///
/// By way of the text: `serde_json::to_value` writes other digits for an `f32`.
fn json<T: Serialize + ?Sized>(value: &T) -> Option<Value> {
    serde_json::to_string(value).ok().and_then(|text| serde_json::from_str(&text).ok())
}
