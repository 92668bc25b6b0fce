use std::sync::Arc;

use abide_core::{Store, StoreError};

use super::{
    away::Away,
    record::{self, NOTE, Record},
    store::{Held, SplitStore},
};
use crate::error::OpenError;

/// A database that was opened, by the name it has in messages.
type Opened = (String, Arc<dyn Store>);

/// How many databases a store may be made of.
const DATABASES_MAX: usize = 64;

impl SplitStore {
    /// Makes one store of several, each given with a name for messages. Stores that were never written to
    /// get equal ranges of shards, in this order; later the order does not matter.
    ///
    /// # Errors
    /// [`OpenError::Parts`]: they are not the parts of one store, or one is missing.
    pub async fn open(stores: Vec<(String, Arc<dyn Store>)>) -> Result<Self, OpenError> {
        Self::open_as(stores, true).await
    }

    /// Puts the parts of a store together, and makes nothing one of them that is none.
    ///
    /// # Errors
    /// [`OpenError::Parts`]: they are not the parts of one store, or one is missing.
    pub async fn open_existing(stores: Vec<(String, Arc<dyn Store>)>) -> Result<Self, OpenError> {
        Self::open_as(stores, false).await
    }

    async fn open_as(stores: Vec<(String, Arc<dyn Store>)>, may_create: bool) -> Result<Self, OpenError> {
        let why = |why: String| OpenError::Parts { why };
        if stores.len() < 2 || stores.len() > DATABASES_MAX {
            return Err(why(format!(
                "{} databases were named, and there have to be 2 to {DATABASES_MAX}",
                stores.len()
            )));
        }
        let shards = stores[0].1.shards();
        if let Some((name, other)) = stores.iter().find(|(_, store)| store.shards() != shards) {
            return Err(why(format!("{} has {shards} shards, and {name} {}", stores[0].0, other.shards())));
        }
        if shards < u32::try_from(stores.len()).unwrap_or(u32::MAX) {
            return Err(why(format!("{} databases cannot share {shards} shards", stores.len())));
        }
        let mut records = recorded(&stores).await?;
        if may_create && records.iter().any(Option::is_none) {
            create(&stores, &records, shards).await?;
            records = recorded(&stores).await?;
        }
        let mut held = Vec::with_capacity(stores.len());
        for ((name, store), record) in stores.into_iter().zip(records) {
            let record = record.ok_or_else(|| why(format!("{name} does not say which shards it holds")))?;
            held.push((name, store, record));
        }
        held.sort_by_key(|(_, _, record)| record.first);
        let named: Vec<(String, Record)> =
            held.iter().map(|(name, _, record)| (name.clone(), record.clone())).collect();
        record::faults(&named, shards).map_err(why)?;
        let held = held.into_iter().map(|(name, store, record)| Held {
            name,
            store,
            range: record.range(),
            away: Away::default(),
        });
        Ok(Self::of(held.collect(), shards))
    }
}

/// What each database says of itself.
async fn recorded(stores: &[Opened]) -> Result<Vec<Option<Record>>, OpenError> {
    let mut records = Vec::with_capacity(stores.len());
    for (name, store) in stores {
        let note = store.note(NOTE).await.map_err(|error| failed(name, &error))?;
        records.push(note.map(|note| read(name, &note)).transpose()?);
    }
    Ok(records)
}

fn read(name: &str, note: &str) -> Result<Record, OpenError> {
    serde_json::from_str(note).map_err(|error| OpenError::Damaged {
        path: name.into(),
        why: format!("what it says of the shards it holds cannot be read: {error}"),
    })
}

/// Gives each database its range: all of them, or those that had none when a creation was broken off.
/// Databases that hold something are never taken for new ones.
async fn create(stores: &[Opened], records: &[Option<Record>], shards: u32) -> Result<(), OpenError> {
    for ((name, store), record) in stores.iter().zip(records) {
        let used = !store.feed_heads().await.map_err(|error| failed(name, &error))?.is_empty();
        let strange = stores.iter().zip(records).find(|(_, record)| record.is_none());
        match (used, record, strange) {
            (false, _, _) => {}
            (true, None, _) => {
                let why = format!(
                    "{name} holds objects already and is no part of a store: back it up and restore it into all"
                );
                return Err(OpenError::Parts { why });
            }
            (true, Some(record), strange) => {
                let strange = strange.map_or("another", |((name, _), _)| name);
                let why = format!(
                    "{name} holds {}, and {strange} says nothing of itself: it is not a part of it",
                    record.shown()
                );
                return Err(OpenError::Parts { why });
            }
        }
    }
    let mut ids: Vec<(String, &str)> = Vec::with_capacity(stores.len());
    for (name, store) in stores {
        let id = store.status().await.map_err(|error| failed(name, &error))?.id;
        if let Some((_, other)) = ids.iter().find(|(there, _)| *there == id) {
            return Err(OpenError::Parts { why: format!("{other} and {name} are the same database") });
        }
        ids.push((id, name));
    }
    // Whoever writes into the first database first names the store.
    let mut name_of_store = ulid::Ulid::generate().to_string();
    for (n, (name, store)) in stores.iter().enumerate() {
        let record = Record::split(&name_of_store, shards, stores.len()).swap_remove(n);
        let text = serde_json::to_string(&record).map_err(|error| OpenError::Parts { why: error.to_string() })?;
        let there = store.set_note(NOTE, text, false).await.map_err(|error| failed(name, &error))?;
        if n == 0 {
            name_of_store = read(name, &there)?.store;
        }
    }
    Ok(())
}

fn failed(name: &str, error: &StoreError) -> OpenError {
    OpenError::Failed { path: name.into(), why: error.to_string() }
}
