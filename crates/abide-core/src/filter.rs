//! Conditions over state fields.

/// A condition over the fields of a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter;
