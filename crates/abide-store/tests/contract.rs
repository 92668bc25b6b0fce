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
