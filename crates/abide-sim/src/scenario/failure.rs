//! Why a seed failed.

use std::fmt;

use crate::check::{Finding, Promise, Violation};

/// One thing that went wrong in a world.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A checker found a promise broken.
    Broken(Violation),
    /// Something else that no sound world does, in a sentence: it does not come to rest, a task of the node
    /// panics, the feed has a gap.
    Odd(String),
}

impl Failure {
    /// What the promise's checker has to say against it, if that is what went wrong.
    pub fn proof_of(&self, promise: Promise) -> Option<&Finding> {
        match self {
            Self::Broken(violation) => violation.proof_of(promise),
            Self::Odd(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(violation) => violation.fmt(f),
            Self::Odd(what) => f.write_str(what),
        }
    }
}
