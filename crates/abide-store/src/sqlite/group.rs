use abide_core::{
    ChangeRecord, Json, Key, Seq, Shard,
    port::store::{AlarmWrite, Commit, Write},
};

use super::{fault::Result, place::Place, statements::Statements};

/// Every so many changes of an object, the log remembers where it is.
pub(super) const MARK_EVERY: u64 = 64;

/// What the commits of one transaction do to objects, gathered so that each object's row is written
/// once, in the order of rows.
pub(super) struct Group<'g> {
    touched: Vec<Touched<'g>>,
}

/// One object that the group writes.
struct Touched<'g> {
    key: &'g Key,
    shard: Shard,
    oid: i64,
    /// Whether it has no row yet.
    new: bool,
    /// The last seq that the log has.
    logged: Seq,
    head: Seq,
    floor: Seq,
    pos: i64,
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
        Self { touched: Vec::with_capacity(commits) }
    }

    /// Adds an object; `place` is as it is stored. Returns its slot.
    pub(super) fn touch(&mut self, commit: &'g Commit, place: &Place) -> usize {
        self.touched.push(Touched {
            key: &commit.key,
            shard: commit.shard,
            oid: place.oid,
            new: place.new,
            logged: place.head,
            head: place.head,
            floor: place.floor,
            pos: place.pos,
            incarnation: 0,
            commit_id: 0,
            put: None,
            updated_at: None,
        });
        self.touched.len() - 1
    }

    /// Applies a commit that passed its checks. The object's row waits for [`Group::write`]; the
    /// rest is written now, the log in the order of commits.
    pub(super) fn apply(
        &mut self,
        commit: &'g Commit,
        place: &mut Place,
        next_pos: &mut i64,
        sql: &mut Statements<'_>,
    ) -> Result<()> {
        let touched = &mut self.touched[place.slot];
        if commit.keep_changes && !commit.changes.is_empty() {
            touched.log_step(next_pos, sql)?;
            for change in &commit.changes {
                touched.log_change(change, next_pos, sql)?;
            }
        }
        if matches!(commit.write, Write::Delete { .. }) {
            touched.erase(sql)?;
        } else {
            write_alarms(place.oid, &commit.alarms, sql)?;
        }
        touched.apply(commit);
        (place.head, place.floor, place.pos) = (touched.head, touched.floor, touched.pos);
        for message in &commit.outbox {
            sql.insert_message(message)?;
        }
        for (sender, n) in &commit.received {
            sql.set_received(place.oid, sender, *n)?;
        }
        for outcome in &commit.outcomes {
            sql.set_outcome(place.oid, outcome)?;
        }
        Ok(())
    }

    /// Writes what waited. `moved` hears of each object whose last entry in the log is one of it.
    pub(super) fn write(
        &mut self,
        next_pos: &mut i64,
        sql: &mut Statements<'_>,
        mut moved: impl FnMut(&Key, i64),
    ) -> Result<()> {
        for object in &mut self.touched {
            if object.log_step(next_pos, sql)? {
                moved(object.key, object.pos);
            }
        }
        let place = |(slot, object): (usize, &Touched<'_>)| (object.oid, slot);
        let mut order: Vec<(i64, usize)> = self.touched.iter().enumerate().map(place).collect();
        order.sort_unstable();
        order.into_iter().try_for_each(|(_, slot)| self.touched[slot].write(sql))
    }
}

fn write_alarms(oid: i64, writes: &[AlarmWrite], sql: &mut Statements<'_>) -> Result<()> {
    writes.iter().try_for_each(|write| match write {
        AlarmWrite::Set(alarm) => sql.set_alarm(oid, alarm),
        AlarmWrite::Remove(name) => sql.remove_alarm(oid, name),
    })
}

impl<'g> Touched<'g> {
    /// Writes one entry for the changes that are not kept. Whether there were any.
    fn log_step(&mut self, next_pos: &mut i64, sql: &mut Statements<'_>) -> Result<bool> {
        let is_behind = self.head > self.logged;
        if is_behind {
            let first = self.logged.next().number().cast_signed();
            let last = self.head.number().cast_signed();
            let (pos, prev) = self.move_to(next_pos);
            sql.insert_step.execute((pos, self.oid, first, last, prev))?;
            self.logged = self.head;
        }
        Ok(is_behind)
    }

    fn log_change(&mut self, change: &ChangeRecord, next_pos: &mut i64, sql: &mut Statements<'_>) -> Result<()> {
        let (pos, prev) = self.move_to(next_pos);
        let (seq, at) = (change.seq.number().cast_signed(), change.at.as_millis());
        let body = change.json.as_str();
        sql.insert_change.execute((pos, self.oid, seq, prev, at, body))?;
        self.logged = change.seq;
        if change.snapshot.is_some() || change.seq.number().is_multiple_of(MARK_EVERY) {
            sql.set_mark(self.oid, self.floor, pos, change)?;
        }
        Ok(())
    }

    /// Takes the next position of the log. Returns it and the one before it of this object.
    fn move_to(&mut self, next_pos: &mut i64) -> (i64, i64) {
        let pos = *next_pos;
        *next_pos += 1;
        (pos, std::mem::replace(&mut self.pos, pos))
    }

    /// Removes what a grave does not have.
    fn erase(&self, sql: &mut Statements<'_>) -> Result<()> {
        sql.drop_alarms(self.oid)?;
        if self.logged > self.floor {
            sql.erase(self.pos, self.floor)?;
            sql.drop_marks(self.oid, self.logged)?;
        }
        Ok(())
    }

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
            Write::Put { state, version, created_at, updated_at } => {
                self.updated_at = Some(updated_at.as_millis());
                self.put =
                    Some(Put { state: Some(state), version: Some(*version), created_at: Some(created_at.as_millis()) });
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
                    self.pos,
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
                self.pos,
                incarnation,
                commit_id,
                self.updated_at,
                put.version,
                put.created_at,
                state(put),
            ))?,
            None => {
                sql.keep_object.execute((self.oid, head, floor, self.pos, incarnation, commit_id, self.updated_at))?
            }
        };
        Ok(())
    }
}
