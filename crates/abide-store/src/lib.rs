//! Where Abide's objects are durable: the adapters of [`abide_core::Store`], and the contract they keep.
//!
//! - [`MemoryStore`]: the reference. It answers at once and forgets everything with its last handle.

pub mod memory;

pub use memory::MemoryStore;
