//! Taking in rows, each in the database that holds its object's shard.
//!
//! A page may be in some databases and not yet in others when it is broken off. So the first database
//! notes how far all of them are: up to there every row is in, and each database passes over what it has
//! beyond. It notes only what is on the disks of all. A server that lost rows all the same (it does not wait
//! for its disk, or a standby took its place) has fewer than were noted: then all of them begin again.

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
/// A note of each database, of which import it has how many rows, which stays when it is told of the end.
/// Writing it waits until all that was written before is on the disk.
const REACHED: &str = "import_reached";

/// How far an import has come in all databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) source: String,
    /// Tells it from every other, also of the same source.
    #[serde(default)]
    id: String,
    /// Rows that are in.
    pub(super) rows: u64,
    /// How many of them each database has.
    counts: Vec<u64>,
    /// All rows are in; databases are told one after the other.
    ending: bool,
    /// How often all databases had to begin again.
    #[serde(default)]
    again: u32,
}

impl Progress {
    fn new(source: String, databases: usize) -> Self {
        let id = ulid::Ulid::generate().to_string();
        Self { source, id, rows: 0, counts: vec![0; databases], ending: false, again: 0 }
    }

    /// What the databases call the source: another one each time, so that none goes on with what it has.
    fn name(&self) -> String {
        match self.again {
            0 => self.source.clone(),
            times => format!("{}, begun again {times}", self.source),
        }
    }

    /// What a database notes that has so many rows of it.
    fn trace(&self, count: u64) -> String {
        format!("{} {count}", self.id)
    }

    /// The same, when rows that were in are not there any more.
    fn anew(self) -> Self {
        let (databases, again) = (self.counts.len(), self.again + 1);
        Self { again, ..Self::new(self.source, databases) }
    }
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
    let noted = progress(held).await?.filter(|noted| noted.source == source && noted.counts.len() == held.len());
    let now = match noted {
        Some(noted) if noted.ending => match reached(held, &noted).await? {
            End::Lost => begin_again(held, noted).await?,
            End::Whole if replace => begin_all(held, Progress::new(source, held.len()), true).await?,
            End::Whole | End::Unfinished => noted,
        },
        Some(noted) if noted.again > 0 => begin_all(held, noted, true).await?,
        noted => {
            if !replace {
                holds_nothing_else(held, &source).await?;
            }
            begin_all(held, noted.unwrap_or_else(|| Progress::new(source, held.len())), replace).await?
        }
    };
    if !now.ending {
        for (held, count) in held.iter().zip(&now.counts) {
            leave(held, now.trace(*count)).await?;
        }
    }
    note(held, Some(&now)).await?;
    let rows = now.rows;
    *importing = Some(now);
    Ok(rows)
}

/// Begins with all databases, or goes on.
async fn begin_all(held: &[Held], now: Progress, replace: bool) -> Result<Progress, StoreError> {
    let (mut fresh, mut lost) = (true, false);
    for (held, count) in held.iter().zip(&now.counts) {
        let begun = held.store.import_begin(now.name(), replace).await;
        let rows = begun.map_err(|error| named(&held.name, error))?;
        fresh &= rows == 0;
        lost |= rows < *count;
    }
    match (fresh, lost) {
        (true, _) => Ok(Progress { again: now.again, ..Progress::new(now.source, held.len()) }),
        (false, true) => begin_again(held, now).await,
        (false, false) => Ok(now),
    }
}

/// Begins again with all databases: what one of them lost cannot be told from what it has.
async fn begin_again(held: &[Held], lost: Progress) -> Result<Progress, StoreError> {
    tracing::warn!("a database lost rows that were in: the import begins again");
    let now = lost.anew();
    note(held, Some(&now)).await?;
    for held in held {
        held.store.import_begin(now.name(), true).await.map_err(|error| named(&held.name, error))?;
    }
    Ok(now)
}

/// Notes in a database how far it has come.
async fn leave(held: &Held, trace: String) -> Result<(), StoreError> {
    held.store.set_note(REACHED, trace, true).await.map(drop).map_err(|error| named(&held.name, error))
}

/// Whether a database that is of no import was told of the end of this one; otherwise it lost all of it.
async fn told(held: &Held, trace: &str) -> Result<bool, StoreError> {
    let left = held.store.note(REACHED).await.map_err(|error| named(&held.name, error))?;
    Ok(left.as_deref() == Some(trace))
}

/// How far the end of an import has come.
enum End {
    /// All databases are whole.
    Whole,
    /// Some are not told yet.
    Unfinished,
    /// One lacks rows.
    Lost,
}

async fn reached(held: &[Held], noted: &Progress) -> Result<End, StoreError> {
    let mut end = End::Whole;
    for (held, count) in held.iter().zip(&noted.counts) {
        let status = held.store.status().await.map_err(|error| named(&held.name, error))?;
        match status.importing {
            Some(importing) if importing.rows < *count => return Ok(End::Lost),
            Some(_) => end = End::Unfinished,
            None if told(held, &noted.trace(*count)).await? => {}
            None => return Ok(End::Lost),
        }
    }
    Ok(end)
}

/// Forgets an end that reached all databases and was not noted: from here on the store is written to.
pub(super) async fn settle(held: &[Held]) -> Result<(), StoreError> {
    let Some(noted) = progress(held).await? else { return Ok(()) };
    match reached(held, &noted).await? {
        End::Whole => note(held, None).await,
        End::Unfinished | End::Lost => Err(import::lost()),
    }
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
    for (index, (held, rows)) in held.iter().zip(sorted).enumerate() {
        let (first, more) = (now.counts[index], rows.len() as u64);
        now.counts[index] += more;
        if more > 0 {
            held.store.import(first, rows).await.map_err(|error| named(&held.name, error))?;
            leave(held, now.trace(now.counts[index])).await?;
        }
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
        let status = held.store.status().await.map_err(|error| named(&held.name, error))?;
        if status.importing.is_none() {
            // Those that were told already do not expect it.
            if again && told(held, &now.trace(*count)).await? {
                continue;
            }
            return Err(named(&held.name, import::lost()));
        }
        held.store.import_done(*count).await.map_err(|error| named(&held.name, error))?;
    }
    note(held, None).await
}
