//! How `#[derive(State)]` asks a field for its operations without knowing its type.
//!
//! It writes `Probe(&mut self.tags).take_operations("tags")` with both traits in scope. Method
//! resolution tries the method on the value before the one on a reference to it, so a collection is
//! asked and any other type has nothing to say.

use crate::operation::Operation;

use super::Collection;

/// A field of a state.
pub struct Probe<'a, T>(pub &'a mut T);

/// Fields that are collections.
pub trait ProbeCollection {
    /// What the collection did.
    fn take_operations(self, field: &'static str) -> Vec<Operation>;
}

impl<T: Collection> ProbeCollection for Probe<'_, T> {
    fn take_operations(self, field: &'static str) -> Vec<Operation> {
        self.0.take_operations(field)
    }
}

/// Fields of any other type.
pub trait ProbeOther {
    /// Nothing: the whole value stands in the change if it differs.
    fn take_operations(self, field: &'static str) -> Vec<Operation>;
}

impl<T> ProbeOther for &Probe<'_, T> {
    fn take_operations(self, _field: &'static str) -> Vec<Operation> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Counter;

    #[test]
    fn a_collection_is_asked_and_any_other_type_has_nothing_to_say() {
        let mut counter = Counter::default();
        Probe(&mut counter).take_operations("n");
        counter += 2;
        assert_eq!(Probe(&mut counter).take_operations("n"), [Operation::Add { by: 2 }]);
        assert_eq!(Probe(&mut 5).take_operations("n"), []);
        assert_eq!(Probe(&mut vec![Counter::default()]).take_operations("n"), []);
    }
}
