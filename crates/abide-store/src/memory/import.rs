use std::mem::take;

use abide_core::{
    Key, Seq, StoreError,
    port::store::{FeedEntry, Importing, ObjectRow, Row},
};

use super::{
    apply::place,
    data::{Data, Object},
};
use crate::import;

impl Data {
    pub(super) fn import_begin(&mut self, source: String, replace: bool) -> Result<u64, StoreError> {
        if let Some(importing) = &self.importing {
            if importing.source == source {
                return Ok(importing.rows);
            }
            if !replace {
                return Err(import::another(importing));
            }
        }
        if !(replace || self.objects.is_empty() && self.outbox.is_empty()) {
            return Err(import::not_empty());
        }
        let epochs = self.epochs.iter().map(|epoch| epoch.next()).collect();
        let (indexes, notes) = (take(&mut self.indexes), take(&mut self.notes));
        *self = Self { epochs, indexes, notes, ..Self::new(self.shards(), self.feed_keep) };
        self.importing = Some(Importing { source, rows: 0 });
        Ok(0)
    }

    pub(super) fn import(&mut self, from: u64, rows: Vec<Row>) -> Result<(), StoreError> {
        let done = self.importing.as_ref().ok_or_else(import::not_begun)?.rows;
        for row in import::fresh(done, from, rows)? {
            self.take_in(row)?;
            if let Some(importing) = &mut self.importing {
                importing.rows += 1;
            }
        }
        Ok(())
    }

    pub(super) fn import_done(&mut self, rows: u64) -> Result<(), StoreError> {
        let importing = self.importing.as_ref().ok_or_else(import::not_begun)?;
        if importing.rows != rows {
            return Err(import::miscounted(importing, rows));
        }
        for (key, object) in &self.objects {
            if object.last() != object.head {
                return Err(import::cut_short(key, object.last(), object.head));
            }
        }
        self.importing = None;
        Ok(())
    }

    fn take_in(&mut self, row: Row) -> Result<(), StoreError> {
        match row {
            Row::Object(row) => self.take_in_object(*row),
            Row::Change { key, change } => {
                let object = self.imported(&key)?;
                import::follows(&key, object.last(), object.head, &change)?;
                object.changes.insert(change.seq, change);
            }
            Row::Alarm { key, alarm } => {
                self.imported(&key)?.alarms.insert(alarm.name.clone(), (*alarm).clone());
                if alarm.dead.is_none() {
                    self.due.insert(place(&key, &alarm));
                }
            }
            Row::Received { key, sender, n } => {
                self.imported(&key)?.received.insert(sender, n);
            }
            Row::Outcome { key, outcome } => {
                let name = (outcome.caller.clone(), outcome.call_key.clone());
                self.imported(&key)?.outcomes.insert(name, *outcome);
            }
            Row::Message(message) => {
                self.outbox.insert(message.id.clone(), *message);
            }
        }
        Ok(())
    }

    /// The object that a row belongs to.
    fn imported(&mut self, key: &Key) -> Result<&mut Object, StoreError> {
        self.objects.get_mut(key).ok_or_else(|| import::without_object(key))
    }

    fn take_in_object(&mut self, row: ObjectRow) {
        if row.head > Seq::ZERO {
            let shard = row.key.shard(self.shards());
            let position = self.feed_last().next();
            self.feed_heads.insert(shard, position);
            let (key, first) = (row.key.clone(), Seq::ZERO.next());
            self.feed.push_back(FeedEntry { position, key, shard, first, last: row.head });
        }
        let object = Object {
            head: row.head,
            floor: row.floor,
            incarnation: row.incarnation,
            state: row.state,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            commit_id: row.commit_id,
            ..Object::default()
        };
        self.objects.insert(row.key, object);
    }
}

impl Object {
    /// The last change that is there; where none is, the floor.
    fn last(&self) -> Seq {
        self.changes.keys().next_back().copied().unwrap_or(self.floor)
    }
}
