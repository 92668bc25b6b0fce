use abide_core::{
    ChangeRecord, Json, Key, Seq, Shard,
    port::store::{AlarmWrite, Commit, Committed, Write},
};

use super::{cache::Place, fault::Result, statements::Statements};

/// What the commits of one transaction do to objects, gathered so that each object's row is written
/// once, in the order of rows.
pub(super) struct Group<'g> {
    touched: Vec<Touched<'g>>,
    changes: Vec<(usize, &'g ChangeRecord)>,
}

/// One object that the group writes.
struct Touched<'g> {
    key: &'g Key,
    shard: Shard,
    oid: i64,
    /// Whether it has no row yet.
    new: bool,
    /// Head and floor as they are stored.
    stored: (Seq, Seq),
    /// Head and floor as they will be.
    head: Seq,
    floor: Seq,
    incarnation: u64,
    commit_id: u64,
    put: Option<Put<'g>>,
    updated_at: Option<i64>,
}

/// What becomes of the state.
#[derive(Default)]
struct Put<'g> {
    state: Option<&'g Json>,
    version: Option<u32>,
    created_at: Option<i64>,
}

impl<'g> Group<'g> {
    /// Room for so many commits.
    pub(super) fn with_capacity(commits: usize) -> Self {
        Self {
            touched: Vec::with_capacity(commits),
            changes: Vec::with_capacity(commits),
        }
    }

    /// Adds an object; `place` is as it is stored. Returns its slot.
    pub(super) fn touch(&mut self, commit: &'g Commit, place: &Place, new: bool) -> usize {
        self.touched.push(Touched {
            key: &commit.key,
            shard: commit.shard,
            oid: place.oid,
            new,
            stored: (place.head, place.floor),
            head: place.head,
            floor: place.floor,
            incarnation: 0,
            commit_id: 0,
            put: None,
            updated_at: None,
        });
        self.touched.len() - 1
    }

    /// Applies a commit that passed its checks. What concerns the object's row and log waits for
    /// [`Group::write`]; the rest is written now.
    pub(super) fn apply(
        &mut self,
        commit: &'g Commit,
        place: &mut Place,
        sql: &mut Statements<'_>,
    ) -> Result<Committed> {
        let touched = &mut self.touched[place.slot];
        touched.apply(commit);
        (place.head, place.floor) = (touched.head, touched.floor);
        for change in &commit.changes {
            if change.seq > place.floor {
                self.changes.push((place.slot, change));
            }
        }
        if matches!(commit.write, Write::Delete { .. }) {
            sql.drop_alarms(place.oid)?;
        } else {
            for write in &commit.alarms {
                match write {
                    AlarmWrite::Set(alarm) => sql.set_alarm(place.oid, alarm)?,
                    AlarmWrite::Remove(name) => sql.remove_alarm(place.oid, name)?,
                }
            }
        }
        for message in &commit.outbox {
            sql.insert_message(message)?;
        }
        for (sender, n) in &commit.received {
            sql.set_received(place.oid, sender, *n)?;
        }
        for outcome in &commit.outcomes {
            sql.set_outcome(place.oid, outcome)?;
        }
        Ok(Committed::Done)
    }

    /// Writes the rows of the objects, their logs and the feed.
    pub(super) fn write(&mut self, sql: &mut Statements<'_>) -> Result<()> {
        let mut order: Vec<usize> = (0..self.touched.len()).collect();
        order.sort_unstable_by_key(|slot| self.touched[*slot].oid);
        for slot in order {
            self.touched[slot].write(sql)?;
        }
        let touched = &self.touched;
        self.changes
            .sort_unstable_by_key(|(slot, change)| (touched[*slot].oid, change.seq));
        for (slot, change) in &self.changes {
            let object = &touched[*slot];
            if change.seq > object.floor {
                sql.insert_change.execute((
                    object.oid,
                    change.seq.number().cast_signed(),
                    change.at.as_millis(),
                    change.json.as_str(),
                    change.snapshot.as_ref().map(Json::as_str),
                ))?;
            }
        }
        for object in touched
            .iter()
            .filter(|object| object.head > object.stored.0)
        {
            sql.insert_feed.execute((
                object.shard.number(),
                object.oid,
                object.stored.0.next().number().cast_signed(),
                object.head.number().cast_signed(),
            ))?;
        }
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
        match &commit.write {
            Write::Keep => {
                let last_at = commit.changes.last().map(|change| change.at.as_millis());
                self.updated_at = last_at.or(self.updated_at);
            }
            Write::Put {
                state,
                version,
                created_at,
                updated_at,
            } => {
                self.updated_at = Some(updated_at.as_millis());
                self.put = Some(Put {
                    state: Some(state),
                    version: Some(*version),
                    created_at: Some(created_at.as_millis()),
                });
            }
            Write::Delete { at } => {
                self.updated_at = Some(at.as_millis());
                self.put.get_or_insert_default().state = None;
                self.floor = self.head;
            }
        }
    }

    fn write(&self, sql: &mut Statements<'_>) -> Result<()> {
        let (head, floor) = (self.head.number(), self.floor.number());
        let (head, floor) = (head.cast_signed(), floor.cast_signed());
        let incarnation = self.incarnation.cast_signed();
        let commit_id = self.commit_id.cast_signed();
        let state = |put: &Put<'g>| put.state.map(Json::as_str);
        match &self.put {
            put if self.new => {
                let put = put.as_ref();
                sql.insert_object.execute((
                    self.oid,
                    self.key.namespace().as_str(),
                    self.key.kind().as_str(),
                    self.key.id(),
                    self.shard.number(),
                    head,
                    floor,
                    incarnation,
                    put.and_then(|put| put.version).unwrap_or(0),
                    put.and_then(|put| put.created_at).unwrap_or(0),
                    self.updated_at.unwrap_or(0),
                    commit_id,
                    put.and_then(state),
                ))?
            }
            Some(put) => sql.put_object.execute((
                self.oid,
                head,
                floor,
                incarnation,
                commit_id,
                self.updated_at,
                put.version,
                put.created_at,
                state(put),
            ))?,
            None => sql.keep_object.execute((
                self.oid,
                head,
                floor,
                incarnation,
                commit_id,
                self.updated_at,
            ))?,
        };
        let (stored_head, stored_floor) = self.stored;
        if self.floor > stored_floor && stored_head > stored_floor {
            sql.drop_changes.execute((self.oid, floor))?;
        }
        Ok(())
    }
}
