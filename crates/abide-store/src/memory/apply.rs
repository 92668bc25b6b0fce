use std::convert::Infallible;

use abide_core::{
    ChangeRecord, Epoch, Key, Seq, Shard,
    port::store::{Alarm, AlarmCursor, AlarmWrite, Commit, Committed, FeedEntry, Ledger, Write, apply_batch},
};

use super::data::{Data, Object};

impl Data {
    /// Applies what passes of a batch.
    pub(super) fn commit_batch(&mut self, batch: &[Commit]) -> Vec<Committed> {
        apply_batch(self, batch).unwrap_or_else(|never| match never {})
    }

    fn feed_step(&mut self, commit: &Commit) {
        if commit.changes.is_empty() {
            return;
        }
        let position = self.feed_last().next();
        self.feed_heads.insert(commit.shard, position);
        self.feed.push_back(FeedEntry {
            position,
            key: commit.key.clone(),
            shard: commit.shard,
            first: commit.expected.next(),
            last: commit.head(),
        });
    }
}

impl Ledger<'_> for Data {
    type Fault = Infallible;

    fn epoch(&self, shard: Shard) -> Epoch {
        self.epochs.get(shard.number() as usize).copied().unwrap_or(Epoch::ZERO)
    }

    fn head(&mut self, key: &Key) -> Result<Seq, Infallible> {
        Ok(self.objects.get(key).map_or(Seq::ZERO, |object| object.head))
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), Infallible> {
        self.feed_step(commit);
        for message in &commit.outbox {
            self.outbox.insert(message.id.clone(), message.clone());
        }
        let object = self.objects.entry(commit.key.clone()).or_default();
        for alarm in object.alarms.values() {
            self.due.remove(&place(&commit.key, alarm));
        }
        object.apply(commit.clone());
        for alarm in object.alarms.values().filter(|alarm| alarm.dead.is_none()) {
            self.due.insert(place(&commit.key, alarm));
        }
        Ok(())
    }
}

impl Object {
    fn apply(&mut self, commit: Commit) {
        self.head = commit.head();
        self.incarnation = commit.incarnation;
        self.commit_id = commit.id;
        self.write_alarms(commit.alarms);
        let last_at = commit.changes.last().map(|change| change.at);
        self.write_changes(commit.changes, commit.keep_changes, commit.trim);
        match commit.write {
            Write::Keep => self.updated_at = last_at.unwrap_or(self.updated_at),
            Write::Put { state, version, created_at, updated_at } => {
                self.state = Some(state);
                self.version = version;
                self.created_at = created_at;
                self.updated_at = updated_at;
            }
            Write::Delete { at } => {
                self.state = None;
                self.updated_at = at;
                self.floor = self.head;
                self.changes.clear();
                self.alarms.clear();
            }
        }
        for (sender, n) in commit.received {
            let last = self.received.entry(sender).or_default();
            *last = n.max(*last);
        }
        for outcome in commit.outcomes {
            let name = (outcome.caller.clone(), outcome.call_key.clone());
            self.outcomes.insert(name, outcome);
        }
    }

    fn write_changes(&mut self, changes: Vec<ChangeRecord>, keep: bool, trim: Option<Seq>) {
        if !keep && !changes.is_empty() {
            self.floor = self.head;
        }
        if let Some(trim) = trim {
            self.floor = self.floor.max(trim.min(self.head));
        }
        self.changes.extend(changes.into_iter().map(|change| (change.seq, change)));
        self.changes = self.changes.split_off(&self.floor.next());
    }

    fn write_alarms(&mut self, writes: Vec<AlarmWrite>) {
        for write in writes {
            match write {
                AlarmWrite::Set(alarm) => {
                    self.alarms.insert(alarm.name.clone(), alarm);
                }
                AlarmWrite::Remove(name) => {
                    self.alarms.remove(&name);
                }
            }
        }
    }
}

/// The place of an alarm in the order of alarms.
pub(super) fn place(key: &Key, alarm: &Alarm) -> AlarmCursor {
    AlarmCursor { due: alarm.due, key: key.clone(), name: alarm.name.clone() }
}
