//! Taking in rows, each in the database that holds its object's shard.
//!
//! A page may be in some databases and not yet in others when it is broken off. So the first database
//! notes how far all of them are: up to there every row is in, and each database passes over what it has
//! beyond.

use abide_core::{
    Key, StoreError,
    port::store::{Importing, Row},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    merge::named,
    store::{Held, part},
};
use crate::import;

/// The note that holds the progress.
const NOTE: &str = "import";

/// How far an import has come in all databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) source: String,
    /// Rows that are in.
    pub(super) rows: u64,
    /// How many of them each database has.
    counts: Vec<u64>,
    /// All rows are in; databases are told one after the other.
    ending: bool,
}

/// An import under way.
pub(super) type Sorted = Progress;

/// What is noted of an import that is not finished.
pub(super) async fn progress(held: &[Held]) -> Result<Option<Progress>, StoreError> {
    let note = held[0].store.note(NOTE).await?.filter(|note| !note.is_empty());
    let read = |note: String| serde_json::from_str(&note).map_err(|error| StoreError::Damaged(error.to_string()));
    note.map(read).transpose()
}

async fn note(held: &[Held], progress: Option<&Progress>) -> Result<(), StoreError> {
    let text =
        progress.map(serde_json::to_string).transpose().map_err(|error| StoreError::Damaged(error.to_string()))?;
    held[0].store.set_note(NOTE, text.unwrap_or_default(), true).await.map(drop)
}

pub(super) async fn begin(
    held: &[Held],
    importing: &Mutex<Option<Sorted>>,
    source: String,
    replace: bool,
) -> Result<u64, StoreError> {
    let mut importing = importing.lock().await;
    *importing = None;
    let noted = progress(held).await?.filter(|noted| noted.source == source);
    if let Some(noted) = noted.filter(|noted| noted.ending)
        && is_unfinished(held).await?
    {
        let rows = noted.rows;
        *importing = Some(noted);
        return Ok(rows);
    }
    if !replace {
        holds_nothing_else(held, &source).await?;
    }
    let mut fresh = true;
    for held in held {
        let rows = held.store.import_begin(source.clone(), replace).await.map_err(|error| named(&held.name, error))?;
        fresh &= rows == 0;
    }
    let noted = progress(held).await?.filter(|noted| noted.source == source && !fresh);
    let noted = noted.unwrap_or(Progress { source, rows: 0, counts: vec![0; held.len()], ending: false });
    note(held, Some(&noted)).await?;
    let rows = noted.rows;
    *importing = Some(noted);
    Ok(rows)
}

/// Whether the end of an import has not reached all databases.
async fn is_unfinished(held: &[Held]) -> Result<bool, StoreError> {
    for held in held {
        if held.store.status().await?.importing.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses before any database is begun with.
async fn holds_nothing_else(held: &[Held], source: &str) -> Result<(), StoreError> {
    for held in held {
        let status = held.store.status().await.map_err(|error| named(&held.name, error))?;
        match status.importing {
            Some(there) if there.source == source => {}
            Some(there) => return Err(import::another(&there)),
            None if held.store.feed_heads().await?.is_empty() && status.outbox == 0 => {}
            None => return Err(import::not_empty()),
        }
    }
    Ok(())
}

pub(super) async fn take(
    held: &[Held],
    shards: u32,
    importing: &Mutex<Option<Sorted>>,
    from: u64,
    rows: Vec<Row>,
) -> Result<(), StoreError> {
    let mut slot = importing.lock().await;
    let mut now = match slot.take() {
        Some(now) => now,
        None => progress(held).await?.ok_or_else(import::not_begun)?,
    };
    let fresh: Vec<Row> = import::fresh(now.rows, from, rows)?.collect();
    now.rows += fresh.len() as u64;
    let mut sorted: Vec<Vec<Row>> = held.iter().map(|_| Vec::new()).collect();
    for row in fresh {
        let shard = key(&row).shard(shards);
        sorted[part(held, shard)].push(row);
    }
    for ((held, rows), count) in held.iter().zip(sorted).zip(&mut now.counts) {
        let (first, more) = (*count, rows.len() as u64);
        if more > 0 {
            held.store.import(first, rows).await.map_err(|error| named(&held.name, error))?;
        }
        *count += more;
    }
    note(held, Some(&now)).await?;
    *slot = Some(now);
    Ok(())
}

/// By whose shard a row goes.
fn key(row: &Row) -> &Key {
    match row {
        Row::Object(object) => &object.key,
        Row::Change { key, .. } | Row::Alarm { key, .. } | Row::Received { key, .. } | Row::Outcome { key, .. } => key,
        Row::Message(message) => &message.id.sender,
    }
}

pub(super) async fn done(held: &[Held], importing: &Mutex<Option<Sorted>>, rows: u64) -> Result<(), StoreError> {
    let mut slot = importing.lock().await;
    *slot = None;
    let mut now = progress(held).await?.ok_or_else(import::not_begun)?;
    if now.rows != rows {
        return Err(import::miscounted(&Importing { source: now.source, rows: now.rows }, rows));
    }
    let again = now.ending;
    now.ending = true;
    note(held, Some(&now)).await?;
    for (held, count) in held.iter().zip(&now.counts) {
        // Those that were told already do not expect it.
        if again && held.store.status().await?.importing.is_none() {
            continue;
        }
        held.store.import_done(*count).await.map_err(|error| named(&held.name, error))?;
    }
    note(held, None).await
}
