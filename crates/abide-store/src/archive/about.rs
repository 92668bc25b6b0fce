use abide_core::Timestamp;
use serde::{Deserialize, Serialize};

/// What a backup says of itself, before its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// A ULID made for the backup: what an import that was broken off is recognised by.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// The name of the store it is from.
    pub store: String,
    /// The id of that store.
    pub store_id: String,
    /// How many shards that store had. A store with another number takes the rows all the same.
    pub shards: u32,
    /// Whether all of it is of one moment; otherwise each object is, and different objects may be of
    /// different moments.
    pub one_moment: bool,
    /// About how many rows it has. The end of the backup knows exactly.
    pub rows: u64,
    /// The version of the program that wrote it.
    pub program: String,
}

impl About {
    /// A new backup of the store with this name and id.
    #[must_use]
    pub fn new(store: &str, store_id: &str, shards: u32, one_moment: bool, rows: u64) -> Self {
        let id = ulid::Ulid::generate();
        Self {
            id: id.to_string(),
            at: Timestamp::from_millis(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX)),
            store: store.into(),
            store_id: store_id.into(),
            shards,
            one_moment,
            rows,
            program: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
