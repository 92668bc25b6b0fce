//! The contract, run against every store of this crate.

use std::sync::Arc;

use abide_core::{Store, port::BoxFuture};
use abide_store::contract::Subject;

fn ready<'a>(store: impl Store) -> BoxFuture<'a, Arc<dyn Store>> {
    Box::pin(std::future::ready(Arc::new(store) as Arc<dyn Store>))
}

mod memory {
    use super::{Arc, BoxFuture, Store, Subject, ready};
    use abide_store::MemoryStore;

    struct Memory(MemoryStore);

    impl Subject for Memory {
        fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
            ready(self.0.clone())
        }
    }

    abide_store::store_contract!(Memory(MemoryStore::new(16)));

    mod moving {
        use super::{Memory, MemoryStore};

        abide_store::store_contract!(moving Memory(MemoryStore::new(16)));
    }
}

mod split {
    use super::{Arc, BoxFuture, Store, Subject};
    use abide_store::{MemoryStore, SplitStore};

    struct Split([MemoryStore; 3]);

    impl Split {
        fn new() -> Self {
            Self([16; 3].map(MemoryStore::new))
        }
    }

    impl Subject for Split {
        fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
            Box::pin(async {
                let named = |(n, store): (usize, &MemoryStore)| (format!("database {n}"), Arc::new(store.clone()) as _);
                let stores = self.0.iter().enumerate().map(named).collect();
                Arc::new(SplitStore::open(stores).await.unwrap()) as Arc<dyn Store>
            })
        }
    }

    abide_store::store_contract!(Split::new());

    mod moving {
        use super::Split;

        abide_store::store_contract!(moving Split::new());
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::{Arc, BoxFuture, Store, Subject, ready};
    use abide_store::{SqliteOptions, SqliteStore};
    use tempfile::TempDir;

    struct Sqlite {
        folder: TempDir,
        options: SqliteOptions,
    }

    impl Sqlite {
        fn new(options: SqliteOptions) -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { folder, options }
        }
    }

    impl Subject for Sqlite {
        fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
            let path = self.folder.path().join("abide.db");
            ready(SqliteStore::open(path, self.options.clone()).unwrap())
        }
    }

    abide_store::store_contract!(Sqlite::new(SqliteOptions { shards: Some(16), ..SqliteOptions::default() }));

    mod moving {
        use super::{Sqlite, SqliteOptions};

        abide_store::store_contract!(moving Sqlite::new(SqliteOptions {
            shards: Some(16),
            ..SqliteOptions::default()
        }));
    }

    /// Nothing may depend on what the writer remembers of objects.
    mod that_remembers_nothing {
        use super::{Sqlite, SqliteOptions};

        abide_store::store_contract!(Sqlite::new(SqliteOptions {
            shards: Some(16),
            cached_objects: 0,
            readers: 1,
            ..SqliteOptions::default()
        }));
    }
}

/// Who reads the feed is woken within a process, without a server that would tell.
mod hints {
    use std::{sync::Arc, time::Duration};

    use abide_core::Store;
    use abide_store::{
        MemoryStore,
        contract::fixture::{Owner, key},
    };
    use tokio::time::timeout;

    async fn a_commit_wakes_who_waits_for_its_shard(store: Arc<dyn Store>) {
        let owner = Owner::claim(store).await;
        let a = key("a");
        let (shard, shards) = (a.shard(owner.store.shards()), owner.store.shards());
        let b = (0..).map(|n| key(&n.to_string())).find(|b| b.shard(shards) != shard).unwrap();
        let (any, first, second) = (
            owner.store.feed_moved(None),
            owner.store.feed_moved(Some(shard)),
            owner.store.feed_moved(Some(b.shard(shards))),
        );
        owner.grow(&a, 1).await;
        timeout(Duration::from_secs(20), any).await.unwrap();
        timeout(Duration::from_secs(20), first).await.unwrap();
        assert!(timeout(Duration::from_millis(50), second).await.is_err());
    }

    #[tokio::test]
    async fn a_commit_in_memory_wakes_who_waits_for_its_shard() {
        a_commit_wakes_who_waits_for_its_shard(Arc::new(MemoryStore::new(16))).await;
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_commit_in_sqlite_wakes_who_waits_for_its_shard() {
        let folder = tempfile::tempdir().unwrap();
        let store = abide_store::SqliteStore::open(folder.path().join("a.db"), abide_store::SqliteOptions::default());
        a_commit_wakes_who_waits_for_its_shard(Arc::new(store.unwrap())).await;
    }
}
