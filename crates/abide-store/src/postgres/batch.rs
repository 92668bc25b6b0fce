use std::convert::Infallible;

use abide_core::{
    ChangeRecord, Epoch, Json, Key, Seq, Shard,
    port::store::{
        Alarm, AlarmWrite, Commit, Committed, Ledger, MessageId, OutboxMessage, Outcome, Write, apply_batch,
    },
};
use rustc_hash::FxHashMap;

/// What a transaction knows of the objects that its commits name, as it is stored.
#[derive(Default)]
pub(super) struct Known {
    /// The epoch of each shard that is named.
    pub(super) epochs: FxHashMap<u32, Epoch>,
    /// The last position of each shard that has one.
    pub(super) positions: FxHashMap<u32, i64>,
    /// Each object that there is.
    pub(super) places: FxHashMap<Key, Place>,
}

impl Known {
    /// The epoch of a shard.
    pub(super) fn epoch(&self, shard: u32) -> Epoch {
        self.epochs.get(&shard).copied().unwrap_or(Epoch::ZERO)
    }
}

/// An object's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) oid: i64,
    pub(super) head: Seq,
    pub(super) floor: Seq,
    /// Its last commit.
    pub(super) commit_id: u64,
}

/// What the commits of one transaction do to objects, gathered so that each row is written once.
#[derive(Default)]
pub(super) struct Gathered<'g> {
    pub(super) objects: Vec<Touched<'g>>,
    pub(super) log: Vec<Entry<'g>>,
    pub(super) outbox: FxHashMap<&'g MessageId, &'g OutboxMessage>,
    /// By slot and sender: the last number.
    pub(super) received: FxHashMap<(usize, &'g Key), u64>,
    /// By slot, caller and call key: the last outcome.
    pub(super) outcomes: FxHashMap<(usize, &'g str, &'g str), &'g Outcome>,
    pub(super) acknowledged: Vec<&'g MessageId>,
    slots: FxHashMap<&'g Key, usize>,
}

/// One object that the transaction writes.
pub(super) struct Touched<'g> {
    pub(super) key: &'g Key,
    pub(super) shard: Shard,
    /// Its row; `None` if it has none yet.
    pub(super) oid: Option<i64>,
    /// Its head and its last commit as they are stored.
    pub(super) before: Seq,
    pub(super) commit_before: u64,
    pub(super) head: Seq,
    pub(super) floor: Seq,
    pub(super) incarnation: u64,
    pub(super) commit_id: u64,
    pub(super) put: Option<Put<'g>>,
    pub(super) updated_at: Option<i64>,
    /// Whether what is stored of its alarms and changes goes.
    pub(super) erased: bool,
    /// What becomes of each alarm that is named.
    pub(super) alarms: FxHashMap<&'g str, Option<&'g Alarm>>,
    /// The last seq that the log has.
    logged: Seq,
}

/// What becomes of the state.
#[derive(Clone, Copy, Default)]
pub(super) struct Put<'g> {
    pub(super) state: Option<&'g Json>,
    pub(super) version: Option<u32>,
    pub(super) created_at: Option<i64>,
}

/// An entry of the log: a change that is kept, or a step.
pub(super) struct Entry<'g> {
    pub(super) slot: usize,
    /// The first seq, where it is not the last.
    pub(super) first: Option<Seq>,
    pub(super) last: Seq,
    pub(super) change: Option<&'g ChangeRecord>,
}

impl<'g> Gathered<'g> {
    /// Applies what passes of a batch.
    pub(super) fn apply_batch(&mut self, batch: &'g [Commit], known: &Known) -> Vec<Committed> {
        apply_batch(&mut Judged { gathered: self, known }, batch).unwrap_or_else(|never| match never {})
    }

    /// Writes down the steps that the log does not have yet.
    pub(super) fn finish(&mut self) {
        for slot in 0..self.objects.len() {
            self.log_step(slot);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.acknowledged.is_empty()
    }

    fn apply(&mut self, commit: &'g Commit, known: &Known) {
        let slot = self.slot(commit, known);
        if commit.keep_changes && !commit.changes.is_empty() {
            self.log_step(slot);
            let changes = commit.changes.iter();
            self.log.extend(changes.map(|change| Entry { slot, first: None, last: change.seq, change: Some(change) }));
            self.objects[slot].logged = commit.head();
        }
        if matches!(commit.write, Write::Delete { .. }) {
            // Changes of this transaction go, too; the steps stay.
            for entry in self.log.iter_mut().filter(|entry| entry.slot == slot) {
                entry.change = None;
            }
        }
        self.objects[slot].apply(commit);
        for message in &commit.outbox {
            self.outbox.insert(&message.id, message);
        }
        for (sender, n) in &commit.received {
            let last = self.received.entry((slot, sender)).or_default();
            *last = (*last).max(*n);
        }
        for outcome in &commit.outcomes {
            self.outcomes.insert((slot, &outcome.caller, &outcome.call_key), outcome);
        }
    }

    fn slot(&mut self, commit: &'g Commit, known: &Known) -> usize {
        if let Some(slot) = self.slots.get(&commit.key) {
            return *slot;
        }
        let place = known.places.get(&commit.key);
        let head = place.map_or(Seq::ZERO, |place| place.head);
        self.objects.push(Touched {
            key: &commit.key,
            shard: commit.shard,
            oid: place.map(|place| place.oid),
            before: head,
            commit_before: place.map_or(0, |place| place.commit_id),
            head,
            floor: place.map_or(Seq::ZERO, |place| place.floor),
            incarnation: 0,
            commit_id: 0,
            put: None,
            updated_at: None,
            erased: false,
            alarms: FxHashMap::default(),
            logged: head,
        });
        let slot = self.objects.len() - 1;
        self.slots.insert(&commit.key, slot);
        slot
    }

    fn log_step(&mut self, slot: usize) {
        let object = &mut self.objects[slot];
        if object.head > object.logged {
            let first = Some(object.logged.next()).filter(|first| *first < object.head);
            self.log.push(Entry { slot, first, last: object.head, change: None });
            object.logged = object.head;
        }
    }
}

/// Commits as they stand after what is gathered already.
struct Judged<'j, 'g> {
    gathered: &'j mut Gathered<'g>,
    known: &'j Known,
}

impl<'g> Ledger<'g> for Judged<'_, 'g> {
    type Fault = Infallible;

    fn epoch(&self, shard: Shard) -> Epoch {
        self.known.epoch(shard.number())
    }

    fn head(&mut self, key: &Key) -> Result<Seq, Infallible> {
        let place = || self.known.places.get(key).map_or(Seq::ZERO, |place| place.head);
        Ok(self.gathered.slots.get(key).map_or_else(place, |slot| self.gathered.objects[*slot].head))
    }

    fn apply(&mut self, commit: &'g Commit) -> Result<(), Infallible> {
        self.gathered.apply(commit, self.known);
        Ok(())
    }
}

impl<'g> Touched<'g> {
    fn apply(&mut self, commit: &'g Commit) {
        self.head = commit.head();
        self.incarnation = commit.incarnation.number();
        self.commit_id = commit.id;
        if !commit.keep_changes && !commit.changes.is_empty() {
            self.floor = self.head;
        }
        if let Some(trim) = commit.trim {
            self.floor = self.floor.max(trim.min(self.head));
        }
        for write in &commit.alarms {
            match write {
                AlarmWrite::Set(alarm) => self.alarms.insert(&alarm.name, Some(alarm)),
                AlarmWrite::Remove(name) => self.alarms.insert(name, None),
            };
        }
        match &commit.write {
            Write::Keep => {
                self.updated_at = commit.changes.last().map(|change| change.at.as_millis()).or(self.updated_at);
            }
            Write::Put { state, version, created_at, updated_at } => {
                let (version, created_at) = (Some(*version), Some(created_at.as_millis()));
                self.put = Some(Put { state: Some(state), version, created_at });
                self.updated_at = Some(updated_at.as_millis());
            }
            Write::Delete { at } => {
                self.put = Some(Put { state: None, ..self.put.unwrap_or_default() });
                self.updated_at = Some(at.as_millis());
                self.floor = self.head;
                self.erased = true;
                self.alarms.clear();
            }
        }
    }
}
