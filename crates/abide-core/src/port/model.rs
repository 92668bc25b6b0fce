//! The port for read models: what a projection fills.

use std::fmt::Display;

use super::BoxFuture;

/// Where a projection's read model lives: a database of the user's, whose transactions hold what the
/// projection writes and how far it has come, together.
///
/// How far it has come is written as *notes*: short texts by projection and key. A model knows nothing of
/// what they mean.
///
/// # Atomicity
/// What was written through a transaction, notes and the user's own rows, is there after `commit`, all of
/// it, or none of it is. Dropping a transaction undoes it.
///
/// # Isolation
/// What `held` gives stays as it is until the transaction ends. Two transactions that `swap` the same note
/// wait for each other, or one of them fails: never do both succeed with the same `before`.
pub trait Model: Send + Sync + 'static {
    /// A transaction of the database. Users write their rows through it.
    type Tx: Send + 'static;

    /// Whether using a transaction blocks its thread: such a projection runs beside the runtime's threads.
    fn blocks(&self) -> bool {
        false
    }

    /// Begins a transaction, and waits until there is room for it.
    fn begin(&self) -> BoxFuture<'_, Result<Self::Tx, ModelError>>;

    /// Those of the notes with these keys that are there, by key; nobody changes them until the
    /// transaction ends.
    fn held<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        keys: Vec<String>,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>>;

    /// The notes whose keys begin with `prefix`.
    fn notes<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        prefix: &'t str,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>>;

    /// Writes notes, each only if it is what it is said to be. `false` if one of them is not: the
    /// transaction is then of no more use.
    fn swap<'t>(
        &'t self,
        tx: &'t mut Self::Tx,
        projection: &'t str,
        notes: Vec<NoteSwap>,
    ) -> BoxFuture<'t, Result<bool, ModelError>>;

    /// Removes all notes of a projection.
    fn forget<'t>(&'t self, tx: &'t mut Self::Tx, projection: &'t str) -> BoxFuture<'t, Result<(), ModelError>>;

    /// Makes all of it durable.
    fn commit(&self, tx: Self::Tx) -> BoxFuture<'_, Result<(), ModelError>>;
}

/// A note about to be written. At most one for each key in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSwap {
    /// Which.
    pub key: String,
    /// What it has to be now; `None` if it must not be there.
    pub before: Option<String>,
    /// What it becomes; `None` removes it.
    pub after: Option<String>,
}

/// The database of a read model failed; what the transaction wrote is undone, unless it was being committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ModelError(pub String);

impl ModelError {
    /// Of what the database said.
    pub fn of(error: impl Display) -> Self {
        Self(error.to_string())
    }
}
