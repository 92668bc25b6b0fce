//! What only a store in a file can do, or suffer.

#![cfg(feature = "sqlite")]

mod backup;
mod crash;
mod disk;
mod handles;
mod opening;
mod upkeep;
mod verify;

use std::{path::Path, sync::Arc};

use abide_store::{SqliteOptions, SqliteStore, contract::fixture::Owner};

fn options() -> SqliteOptions {
    SqliteOptions { shards: Some(16), ..SqliteOptions::default() }
}

fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path, options()).unwrap()
}

/// Opens the store and claims it.
async fn owner(path: impl AsRef<Path>) -> Owner {
    Owner::claim(Arc::new(open(path))).await
}
