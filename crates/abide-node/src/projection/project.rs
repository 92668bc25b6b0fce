use std::error::Error;

use abide_core::port::Model;

use super::{Batch, Follow, ProjectionOptions};

/// What the functions of a projection return: any error will do.
pub type ProjectResult = Result<(), Box<dyn Error + Send + Sync>>;

/// A read model kept up to date from the changes of objects.
///
/// A batch of news is written to the model in one transaction, together with the place in the feed that it
/// leads to. So whatever is killed in between, each change is in the model once.
///
/// Within a shard, news come in the order of commits, and so do those of one object. Between shards there
/// is no order.
pub trait Project: Send + Sync + 'static {
    /// Its name: what it is rebuilt by, and what its place in the feed is kept under. Fixed once it is used.
    const NAME: &'static str;

    /// The database that it fills.
    type Model: Model;

    /// The kinds whose objects it wants to hear of.
    fn kinds(&self) -> Vec<&'static str>;

    /// Whether it wants each change, or only what objects have become.
    fn follows(&self) -> Follow {
        Follow::Changes
    }

    /// Sizes and times.
    fn options(&self) -> ProjectionOptions {
        ProjectionOptions::default()
    }

    /// Makes the model empty, and what it stands on (tables) if it is missing. It is called before a model
    /// is filled for the first time, and at the beginning of each rebuild.
    fn clear(&self, tx: &mut <Self::Model as Model>::Tx) -> impl Future<Output = ProjectResult> + Send;

    /// Writes a batch of news into the model, through `tx` alone. An error undoes the batch; it is tried
    /// again, also in smaller pieces, until it succeeds: nothing is left out.
    fn apply(&self, tx: &mut <Self::Model as Model>::Tx, batch: &Batch) -> impl Future<Output = ProjectResult> + Send;
}
