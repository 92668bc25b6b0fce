//! What is sent back: problems, JSON, compressed or as it is.

pub(crate) mod compress;
pub(crate) mod json;
pub(crate) mod problem;
