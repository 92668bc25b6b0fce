use std::sync::Arc;

use abide_core::{Store, port::BoxFuture};
use abide_services::postgres::{Shared, shared};
use abide_store::{PostgresOptions, PostgresStore, contract::Subject};

/// A schema of its own in a server that the tests of this process share.
struct Postgres(Shared);

impl Postgres {
    fn new() -> Self {
        Self(shared().unwrap())
    }
}

impl Subject for Postgres {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async {
            let options = PostgresOptions { shards: Some(16), ..PostgresOptions::default() };
            Arc::new(PostgresStore::open(&self.0.url(), options).await.unwrap()) as Arc<dyn Store>
        })
    }
}

abide_store::store_contract!(Postgres::new());

mod moving {
    use super::Postgres;

    abide_store::store_contract!(moving Postgres::new());
}
