//! From entries of the feed to news of objects.

use abide_core::{
    ChangeRecord, FeedPosition, Key, Seq, Store,
    port::{
        model::NoteSwap,
        store::{FeedEntry, Loaded},
    },
};
use futures_util::{StreamExt, stream};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    batch::{Fact, Item},
    gather::Read,
    note::{self, Lane, LaneNote},
    options::Follow,
    turn::Failure,
};

/// How many objects are read at the same time.
const READS: usize = 8;
/// How many changes of one entry are read at once.
const CHANGES: usize = 32;
/// How many bytes of news are enough for a batch.
const BYTES: usize = 4 << 20;

/// Fact, and how far they lead.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) items: Vec<Item>,
    /// Each lane that moved: what its note is and what it becomes.
    pub(super) lanes: Vec<(Lane, Option<LaneNote>, LaneNote)>,
    /// Notes about objects of which the model holds more than its place says.
    pub(super) notes: Vec<NoteSwap>,
}

/// Makes news of entries.
pub(super) struct Resolver<'s> {
    pub(super) store: &'s dyn Store,
    pub(super) kinds: &'s FxHashSet<&'static str>,
    pub(super) follow: Follow,
    /// How much news is enough.
    pub(super) limit: usize,
    /// Up to where the model holds objects, where that is more than its place says: as noted, and now.
    pub(super) ahead: FxHashMap<Key, (Option<Seq>, Option<Seq>)>,
}

enum Fetched {
    /// The changes of the entry, from the one asked for on; perhaps only the first of them.
    Changes(Vec<ChangeRecord>),
    /// What has become of the object.
    State(Loaded),
}

struct Filling {
    items: Vec<Item>,
    bytes: usize,
    told: FxHashSet<Key>,
    /// Where each read's lane is.
    at: Vec<Option<FeedPosition>>,
}

impl Resolver<'_> {
    pub(super) async fn resolve(mut self, reads: &[Read]) -> Result<Resolved, Failure> {
        let mut asked = Vec::new();
        for (n, read) in reads.iter().enumerate() {
            for entry in &read.entries {
                asked.push(fetch(self.store, n, entry.clone(), self.ask(read, entry)));
            }
        }
        let mut fetched = stream::iter(asked).buffered(READS);
        let mut out = Filling { items: Vec::new(), bytes: 0, told: FxHashSet::default(), at: vec![None; reads.len()] };
        let mut whole = true;
        while let Some(next) = fetched.next().await {
            let (n, entry, found) = next?;
            if found.is_some() && (out.items.len() >= self.limit || out.bytes >= BYTES) {
                whole = false;
                break;
            }
            let done = found.map_or(Ok(true), |found| self.tell(&entry, found, &mut out))?;
            if !done {
                // The rest of this entry comes with the next batch; so does everything after it.
                out.at[n].get_or_insert(reads[n].place.at);
                whole = false;
                break;
            }
            out.at[n] = Some(entry.position);
        }
        drop(fetched);
        Ok(self.finish(reads, out, whole))
    }

    /// From which seq on an entry is to be read, and whether as a state; `None` if it is not news.
    fn ask(&self, read: &Read, entry: &FeedEntry) -> Option<(Seq, bool)> {
        if !self.kinds.contains(entry.key.kind().as_str()) {
            return None;
        }
        let known = self.known(&entry.key);
        if known >= entry.last {
            // Looked at again in its turn, so that the note goes.
            return self.ahead.get(&entry.key).map(|_| (entry.last.next(), false));
        }
        let listed = read.place.stored.is_some_and(|note| entry.position <= note.until);
        Some((entry.first.max(known.next()), listed || self.follow == Follow::States))
    }

    fn known(&self, key: &Key) -> Seq {
        self.ahead.get(key).and_then(|(_, now)| *now).unwrap_or(Seq::ZERO)
    }

    /// Puts an entry's news into the batch; whether that was all of it.
    fn tell(&mut self, entry: &FeedEntry, found: Fetched, out: &mut Filling) -> Result<bool, Failure> {
        let known = self.known(&entry.key);
        if known >= entry.last {
            self.know(&entry.key, (known > entry.last).then_some(known));
            return Ok(true);
        }
        match found {
            Fetched::State(loaded) => {
                let (seq, at) = (loaded.head, loaded.updated_at);
                if self.follow == Follow::Changes {
                    self.know(&entry.key, (seq > entry.last).then_some(seq));
                } else if !out.told.insert(entry.key.clone()) {
                    return Ok(true);
                }
                out.bytes += loaded.state.as_ref().map_or(0, |state| state.as_str().len());
                let fact = match loaded.state {
                    Some(state) => Fact::State { seq, state, at },
                    None => Fact::Gone { seq, at },
                };
                out.items.push(Item { key: entry.key.clone(), fact });
                Ok(true)
            }
            Fetched::Changes(records) => {
                let mut reached = known;
                for record in records.iter().filter(|record| record.seq > known) {
                    out.bytes += record.json.as_str().len();
                    reached = record.seq;
                    let change = record.decode().map_err(|error| {
                        Failure::Feed(format!("change {} of {} cannot be read: {error}", record.seq, entry.key))
                    })?;
                    out.items.push(Item { key: entry.key.clone(), fact: Fact::Change(change) });
                }
                let all = reached >= entry.last;
                self.know(&entry.key, (!all).then_some(reached));
                Ok(all)
            }
        }
    }

    fn know(&mut self, key: &Key, seq: Option<Seq>) {
        if seq.is_some() || self.ahead.contains_key(key) {
            self.ahead.entry(key.clone()).or_default().1 = seq;
        }
    }

    fn finish(self, reads: &[Read], out: Filling, whole: bool) -> Resolved {
        let mut lanes = Vec::new();
        for (read, at) in reads.iter().zip(out.at) {
            let at = if whole { Some(read.next) } else { at };
            if let Some(at) = at {
                let before = read.place.stored;
                let note = before.unwrap_or_default();
                lanes.push((read.lane, before, LaneNote { at, turn: note.turn + 1, ..note }));
            }
        }
        let moved = self.ahead.into_iter().filter(|(_, (noted, now))| noted != now);
        let text = |seq: Option<Seq>| seq.map(|seq| seq.number().to_string());
        let notes = moved.map(|(key, (noted, now))| note::swap(note::ahead(&key), text(noted), text(now)));
        Resolved { items: out.items, lanes, notes: notes.collect() }
    }
}

/// Reads what an entry is about, if it is asked for.
async fn fetch(
    store: &dyn Store,
    n: usize,
    entry: FeedEntry,
    asked: Option<(Seq, bool)>,
) -> Result<(usize, FeedEntry, Option<Fetched>), Failure> {
    let fetched = match asked {
        Some((from, _)) if from > entry.last => Some(Fetched::Changes(Vec::new())),
        Some((from, states)) => Some(read(store, &entry, from, states).await?),
        None => None,
    };
    Ok((n, entry, fetched))
}

/// Its changes if they are kept, else what the object is.
async fn read(store: &dyn Store, entry: &FeedEntry, from: Seq, states: bool) -> Result<Fetched, Failure> {
    if !states {
        let count = usize::try_from(entry.last.number() - from.number()).unwrap_or(usize::MAX).saturating_add(1);
        let page = store.changes(&entry.key, from.minus(1), count.min(CHANGES)).await.map_err(Failure::Store)?;
        let mut records = page.changes;
        records.retain(|record| record.seq <= entry.last);
        if page.floor < from && records.first().is_some_and(|first| first.seq == from) {
            return Ok(Fetched::Changes(records));
        }
    }
    let loaded = store.load(&entry.key).await.map_err(Failure::Store)?;
    loaded.filter(|loaded| loaded.head >= entry.last).map(Fetched::State).ok_or_else(|| {
        Failure::Feed(format!(
            "the feed says that {} reached seq {}, but the store has not got that far",
            entry.key, entry.last
        ))
    })
}
