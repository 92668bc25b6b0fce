use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use abide_core::port::{
    BoxFuture, Model,
    model::{ModelError, NoteSwap},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Notes = BTreeMap<(String, String), String>;

/// A read model in memory: a value of any type, for tests and for what is cheap to fill again. A clone is
/// another handle to the same value.
#[derive(Debug)]
pub struct MemoryModel<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    value: Mutex<(T, Notes)>,
    /// One transaction at a time.
    turn: Arc<Semaphore>,
}

/// A transaction: a copy of the value, which takes its place when it is committed.
#[derive(Debug)]
pub struct MemoryTx<T> {
    value: T,
    notes: Notes,
    _turn: OwnedSemaphorePermit,
}

impl<T: Clone + Send + 'static> MemoryModel<T> {
    /// A model that begins as this value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { value: Mutex::new((value, Notes::new())), turn: Arc::new(Semaphore::new(1)) }))
    }

    /// The value as it was committed last.
    pub fn value(&self) -> T {
        self.0.value.lock().0.clone()
    }
}

impl<T> Clone for MemoryModel<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for MemoryTx<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for MemoryTx<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

fn ready<'t, T: Send + 't>(value: T) -> BoxFuture<'t, Result<T, ModelError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl<T: Clone + Send + 'static> Model for MemoryModel<T> {
    type Tx = MemoryTx<T>;

    fn begin(&self) -> BoxFuture<'_, Result<Self::Tx, ModelError>> {
        Box::pin(async {
            let turn = self.0.turn.clone().acquire_owned().await.map_err(ModelError::of)?;
            let (value, notes) = self.0.value.lock().clone();
            Ok(MemoryTx { value, notes, _turn: turn })
        })
    }

    fn held<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        keys: Vec<String>,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let found = keys.into_iter().filter_map(|key| {
            let text = tx.notes.get(&(projection.to_owned(), key.clone()))?;
            Some((key, text.clone()))
        });
        ready(found.collect())
    }

    fn notes<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        prefix: &'t str,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let own = tx.notes.iter().filter(|((name, key), _)| name == projection && key.starts_with(prefix));
        ready(own.map(|((_, key), text)| (key.clone(), text.clone())).collect())
    }

    fn swap<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        notes: Vec<NoteSwap>,
    ) -> BoxFuture<'t, Result<bool, ModelError>> {
        for note in notes {
            let place = (projection.to_owned(), note.key);
            if tx.notes.get(&place) != note.before.as_ref() {
                return ready(false);
            }
            match note.after {
                Some(text) => tx.notes.insert(place, text),
                None => tx.notes.remove(&place),
            };
        }
        ready(true)
    }

    fn forget<'t>(&'t self, tx: &'t mut Self::Tx, projection: &'t str) -> BoxFuture<'t, Result<(), ModelError>> {
        tx.notes.retain(|(name, _), _| name != projection);
        ready(())
    }

    fn commit(&self, tx: Self::Tx) -> BoxFuture<'_, Result<(), ModelError>> {
        let MemoryTx { value, notes, _turn } = tx;
        *self.0.value.lock() = (value, notes);
        ready(())
    }
}
