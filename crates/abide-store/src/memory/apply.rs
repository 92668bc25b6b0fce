use abide_core::{
    ChangeRecord, Epoch, Key, Seq,
    port::store::{Alarm, AlarmCursor, AlarmWrite, Commit, Committed, FeedEntry, Write},
};

use super::data::{Data, Object};

impl Data {
    /// Applies what passes of a batch: groups whole or not at all.
    pub(super) fn commit_batch(&mut self, batch: Vec<Commit>) -> Vec<Committed> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut batch = batch.into_iter().peekable();
        while let Some(commit) = batch.next() {
            let Some(number) = commit.group else {
                answers.push(self.commit(commit));
                continue;
            };
            let mut group = vec![commit];
            while let Some(next) = batch.next_if(|next| next.group == Some(number)) {
                group.push(next);
            }
            answers.extend(self.commit_group(group));
        }
        answers
    }

    fn commit_group(&mut self, group: Vec<Commit>) -> Vec<Committed> {
        let checked: Vec<Committed> = group.iter().map(|commit| self.check(commit)).collect();
        if checked.iter().all(|answer| *answer == Committed::Done) {
            return group.into_iter().map(|commit| self.commit(commit)).collect();
        }
        let left_out = |answer| if answer == Committed::Done { Committed::LeftOut } else { answer };
        checked.into_iter().map(left_out).collect()
    }

    /// What would become of a commit now.
    fn check(&self, commit: &Commit) -> Committed {
        let epoch = self.epochs.get(commit.shard.number() as usize);
        let current = epoch.copied().unwrap_or(Epoch::ZERO);
        if current != commit.epoch {
            return Committed::Fenced { current };
        }
        let head = self.objects.get(&commit.key).map_or(Seq::ZERO, |o| o.head);
        if head != commit.expected {
            return Committed::Conflict { head };
        }
        Committed::Done
    }

    /// Checks one commit and applies it whole, or not at all.
    fn commit(&mut self, commit: Commit) -> Committed {
        let checked = self.check(&commit);
        if checked != Committed::Done {
            return checked;
        }
        self.feed_step(&commit);
        for message in &commit.outbox {
            self.outbox.insert(message.id.clone(), message.clone());
        }
        let object = self.objects.entry(commit.key.clone()).or_default();
        for alarm in object.alarms.values() {
            self.due.remove(&place(&commit.key, alarm));
        }
        let key = commit.key.clone();
        object.apply(commit);
        for alarm in object.alarms.values().filter(|alarm| alarm.dead.is_none()) {
            self.due.insert(place(&key, alarm));
        }
        Committed::Done
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
