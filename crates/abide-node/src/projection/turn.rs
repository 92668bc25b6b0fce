//! One batch: news and place, in one transaction of the model.

use std::{panic::AssertUnwindSafe, sync::Arc};

use abide_core::{
    Key, StoreError,
    port::model::{Model, ModelError, NoteSwap},
};
use futures_util::FutureExt;
use rustc_hash::FxHashMap;

use super::{
    batch::Batch,
    gather::{Place, Read},
    note::{self, BUILD, Lane},
    options::Follow,
    project::Project,
    resolve::{Resolved, Resolver},
    runner::Runner,
};
use crate::node::NodeCore;

/// Why a batch is not in the model; nothing of it is, unless the commit itself was lost.
#[derive(Debug)]
pub(super) enum Failure {
    /// The projection said no.
    Apply {
        /// The first object of the batch, and how many there were.
        about: String,
        why: String,
    },
    /// It panicked.
    Panicked(String),
    /// It took too long.
    Late(std::time::Duration),
    /// The model's database failed.
    Model(ModelError),
    /// The store failed.
    Store(StoreError),
    /// What the store said cannot be.
    Feed(String),
    /// Somebody else has written to the model since.
    Moved,
    /// The node closes.
    Closing,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Failure {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Apply { about, why } => format!("{about} could not be applied: {why}"),
            Self::Panicked(what) => format!("the projection panicked: {what}"),
            Self::Late(limit) => format!("a batch took longer than {limit:?} and was undone"),
            Self::Model(error) => format!("the model's database failed: {error}"),
            Self::Store(error) => format!("the feed could not be read: {error}"),
            Self::Feed(what) => what.clone(),
            Self::Moved => "another process writes to the same model: only one node may run a projection".into(),
            Self::Closing => "the node closes".into(),
        }
    }
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Wrote {
    pub(super) items: usize,
    /// Where the lanes are now.
    pub(super) places: Vec<(Lane, Place)>,
}

impl<P: Project> Runner<P> {
    /// Runs a piece of work that uses the model: within the time it may take, on a thread where it may
    /// block, and so that a panic ends nothing else.
    pub(super) async fn run_apart<T: Send + 'static>(
        &self,
        core: &Arc<NodeCore>,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (limit, closing) = (self.options.timeout, core.closing.clone());
        let bounded = async move {
            // Dropping the work undoes it.
            tokio::select! {
                biased;
                () = closing.cancelled() => Err(Failure::Closing),
                done = tokio::time::timeout(limit, work) => done.unwrap_or_else(|_| Err(Failure::Late(limit))),
            }
        };
        let running = if self.model.blocks() {
            let runtime = tokio::runtime::Handle::current();
            core.tasks.spawn_blocking(move || runtime.block_on(bounded))
        } else {
            core.tasks.spawn(bounded)
        };
        running.await.unwrap_or_else(|error| {
            let what = match error.try_into_panic() {
                Ok(panic) => panic_text(&*panic),
                Err(error) => error.to_string(),
            };
            Err(Failure::Panicked(what))
        })
    }

    /// Writes what `reads` hold, or the first part of it.
    pub(super) async fn write(
        self: Arc<Self>,
        core: Arc<NodeCore>,
        build: Arc<str>,
        reads: Vec<Read>,
        (worker, limit): (usize, usize),
    ) -> Result<Wrote, Failure> {
        let mut tx = self.model.begin().await?;
        if !self.is_still(&mut tx, &build).await? {
            return Err(Failure::Moved);
        }
        let ahead = self.ahead(&mut tx, &reads).await?;
        let (store, follow) = (&*core.store, self.project.follows());
        let resolver = Resolver { store, kinds: &self.kinds, follow, limit, ahead };
        let Resolved { items, lanes, mut notes } = resolver.resolve(&reads).await?;
        self.shared.holds(worker, items.iter().map(super::Item::at).min());
        notes.extend(lanes.iter().map(|(lane, before, after)| {
            note::swap(lane.key(), before.map(|note| note.to_string()), Some(after.to_string()))
        }));
        self.swap(&mut tx, notes).await?;
        let count = items.len();
        self.apply(&mut tx, Batch { items }).await?;
        self.model.commit(tx).await?;
        let places = lanes.into_iter().map(|(lane, _, note)| (lane, Place::of(note))).collect();
        Ok(Wrote { items: count, places })
    }

    /// Whether the model is that of this build; nobody rebuilds it until the transaction ends.
    async fn is_still(&self, tx: &mut <P::Model as Model>::Tx, build: &str) -> Result<bool, Failure> {
        let found = self.model.held(tx, P::NAME, vec![BUILD.into()]).await?;
        Ok(found.iter().any(|(key, text)| key == BUILD && text == build))
    }

    /// Which objects of these entries the model holds more of than its place says.
    async fn ahead(
        &self,
        tx: &mut <P::Model as Model>::Tx,
        reads: &[Read],
    ) -> Result<FxHashMap<Key, (Option<abide_core::Seq>, Option<abide_core::Seq>)>, Failure> {
        if self.project.follows() == Follow::States {
            return Ok(FxHashMap::default());
        }
        let entries = reads.iter().flat_map(|read| &read.entries);
        let wanted = entries.filter(|entry| self.kinds.contains(entry.key.kind().as_str()));
        let keys: FxHashMap<String, &Key> = wanted.map(|entry| (note::ahead(&entry.key), &entry.key)).collect();
        let found = self.model.held(tx, P::NAME, keys.keys().cloned().collect()).await?;
        let mut ahead = FxHashMap::default();
        for (name, text) in found {
            let seq = note::seq(&text).map_err(|why| Failure::Model(ModelError(why)))?;
            if let Some(key) = keys.get(&name) {
                ahead.insert((*key).clone(), (Some(seq), Some(seq)));
            }
        }
        Ok(ahead)
    }

    pub(super) async fn swap(&self, tx: &mut <P::Model as Model>::Tx, notes: Vec<NoteSwap>) -> Result<(), Failure> {
        if self.model.swap(tx, P::NAME, notes).await? { Ok(()) } else { Err(Failure::Moved) }
    }

    pub(super) async fn apply(&self, tx: &mut <P::Model as Model>::Tx, batch: Batch) -> Result<(), Failure> {
        let Some(first) = batch.items.first() else {
            return Ok(());
        };
        let about = match batch.len() {
            1 => format!("seq {} of {}", first.seq(), first.key),
            count => format!("a batch of {count}, from seq {} of {} on,", first.seq(), first.key),
        };
        let applied = AssertUnwindSafe(self.project.apply(tx, &batch)).catch_unwind().await;
        match applied {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Apply { about, why: error.to_string() }),
            Err(panic) => Err(Failure::Apply { about, why: format!("it panicked: {}", panic_text(&*panic)) }),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".into())
}
