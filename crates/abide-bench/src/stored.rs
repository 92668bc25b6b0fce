//! A database with very many objects, built once in a run.

use std::path::{Path, PathBuf};

use abide::{
    ChangeRecord, Json, Key, Seq, Store, Timestamp,
    port::store::{Commit, Write},
    store::{SqliteOptions, SqliteStore},
};
use tempfile::TempDir;

use crate::{
    bare::{change, state},
    plan::Plan,
};

const BATCH: usize = 4_096;

/// A SQLite store of counters `0`, `1`, … that have been called once.
pub(crate) struct Stored {
    folder: TempDir,
    pub(crate) objects: usize,
}

impl Stored {
    /// The one of this run.
    pub(crate) async fn once<'s>(stored: &'s mut Option<Self>, plan: &Plan) -> anyhow::Result<&'s Self> {
        if stored.is_none() {
            *stored = Some(Self::build(plan).await?);
        }
        stored.as_ref().ok_or_else(|| anyhow::anyhow!("it was just built"))
    }

    async fn build(plan: &Plan) -> anyhow::Result<Self> {
        let built = Self { folder: plan.folder()?, objects: plan.objects };
        let store = SqliteStore::open(built.path(), SqliteOptions::default())?;
        let epochs = store.claim().await?;
        plan.expect(built.objects.div_ceil(BATCH));
        for from in (0..built.objects).step_by(BATCH) {
            plan.step(format!("building a database with {} objects", built.objects));
            let ids = from..(from + BATCH).min(built.objects);
            let commits = ids.map(|id| {
                let key = Key::parse("default", "Counter", &id.to_string())?;
                let shard = key.shard(store.shards());
                Ok(commit(key, shard, epochs[shard.number() as usize]))
            });
            store.commit(commits.collect::<anyhow::Result<_>>()?).await?;
        }
        Ok(built)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("stored.db")
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        url(&self.path())
    }
}

/// The URL of a store in a file.
pub(crate) fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// The length of each object's state.
pub(crate) fn state_bytes() -> usize {
    state(1).len()
}

fn commit(key: Key, shard: abide::Shard, epoch: abide::Epoch) -> Commit {
    let at = Timestamp::EPOCH.plus(std::time::Duration::from_secs(1_767_225_600));
    Commit {
        write: Write::Put { state: Json::trusted(state(1)), version: 1, created_at: at, updated_at: at },
        changes: vec![ChangeRecord { seq: Seq::new(1), at, json: Json::trusted(change(1)), snapshot: None }],
        ..Commit::keep(key, shard, epoch, 1, Seq::ZERO)
    }
}
