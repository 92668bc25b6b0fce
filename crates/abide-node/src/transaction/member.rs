use std::ops::Deref;

use abide_core::{Key, Result};

use crate::{handle::Handle, object::Object};

/// What names an object: its typed handle.
pub trait HasKey: Sync {
    /// The object's key, or why it has none.
    fn object_key(&self) -> Result<Key>;
}

impl<O: Object> HasKey for Handle<O> {
    fn object_key(&self) -> Result<Key> {
        self.place().map(|place| place.key.clone())
    }
}

impl<O: Object, T: Deref<Target = Handle<O>> + Sync> HasKey for T {
    fn object_key(&self) -> Result<Key> {
        self.place().map(|place| place.key.clone())
    }
}
