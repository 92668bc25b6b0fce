//! The objects in memory, by key.

use std::sync::Arc;

use abide_core::Key;
use hashbrown::{HashTable, hash_table::Entry};
use parking_lot::Mutex;

use crate::{activation::Activation, kind::KindEntry, node::NodeCore};

const SLICES: usize = 256;

/// A map in slices, each behind a lock that is held for a look-up only, never across an await.
///
/// An entry is one pointer: the key stands in the activation itself.
pub(crate) struct Directory {
    slices: Box<[Mutex<HashTable<Arc<Activation>>>]>,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self { slices: (0..SLICES).map(|_| Mutex::new(HashTable::new())).collect() }
    }

    fn slice(&self, key: &Key) -> &Mutex<HashTable<Arc<Activation>>> {
        &self.slices[usize::try_from(key.hash() & 0xff).unwrap_or(0)]
    }

    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Activation>> {
        self.slice(key).lock().find(spread(key), |a| a.key == *key).cloned()
    }

    pub(crate) fn find_or_insert(&self, node: &Arc<NodeCore>, key: &Key, kind: &Arc<KindEntry>) -> Arc<Activation> {
        let mut slice = self.slice(key).lock();
        match slice.entry(spread(key), |a| a.key == *key, |a| spread(&a.key)) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => {
                entry.insert(Arc::new(Activation::new(node.clone(), key.clone(), kind.clone()))).get().clone()
            }
        }
    }

    /// Removes exactly this activation.
    pub(crate) fn remove(&self, activation: &Arc<Activation>) {
        let mut slice = self.slice(&activation.key).lock();
        if let Ok(entry) = slice.find_entry(spread(&activation.key), |a| Arc::ptr_eq(a, activation)) {
            entry.remove();
        }
        if slice.capacity() > 64 && slice.len() < slice.capacity() / 4 {
            slice.shrink_to(0, |a| spread(&a.key));
        }
    }

    /// Forgets everything. Activations and their node know each other; this parts them.
    pub(crate) fn clear(&self) {
        for slice in &self.slices {
            let gone = std::mem::take(&mut *slice.lock());
            drop(gone);
        }
    }

    pub(crate) fn slices(&self) -> usize {
        self.slices.len()
    }

    /// Clones of the entries of one slice.
    pub(crate) fn entries(&self, slice: usize) -> Vec<Arc<Activation>> {
        self.slices[slice].lock().iter().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.lock().len()).sum()
    }
}

/// The slice is chosen by the low bits of the hash; the table inside by all of it, turned.
fn spread(key: &Key) -> u64 {
    key.hash().rotate_right(17)
}
