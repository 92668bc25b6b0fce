use std::{future::ready, vec::IntoIter};

use abide_core::{
    StoreError,
    port::{
        BoxFuture,
        store::{Export, ObjectRow, PAGE_BYTES, Row},
    },
};

use super::data::{Data, Object};
use crate::import;

/// All rows of one moment. States and changes are shared with the store, not copied.
struct Rows {
    total: u64,
    rows: IntoIter<Row>,
}

impl Export for Rows {
    fn total(&self) -> u64 {
        self.total
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < limit.max(1)
            && bytes < PAGE_BYTES
            && let Some(row) = self.rows.next()
        {
            bytes += row.bytes();
            page.push(row);
        }
        Box::pin(ready(Ok(page)))
    }
}

impl Data {
    pub(super) fn export(&self) -> Result<Box<dyn Export>, StoreError> {
        self.whole()?;
        let mut rows: Vec<Row> = Vec::new();
        for (key, object) in &self.objects {
            rows.push(Row::Object(Box::new(object.row(key.clone()))));
            let changes = object.changes.values().cloned();
            rows.extend(changes.map(|change| Row::Change { key: key.clone(), change }));
            let alarms = object.alarms.values().cloned().map(Box::new);
            rows.extend(alarms.map(|alarm| Row::Alarm { key: key.clone(), alarm }));
            let received = object.received.iter().map(|(sender, n)| (sender.clone(), *n));
            rows.extend(received.map(|(sender, n)| Row::Received { key: key.clone(), sender, n }));
            let outcomes = object.outcomes.values().cloned().map(Box::new);
            rows.extend(outcomes.map(|outcome| Row::Outcome { key: key.clone(), outcome }));
        }
        rows.extend(self.outbox.values().cloned().map(Box::new).map(Row::Message));
        Ok(Box::new(Rows { total: rows.len() as u64, rows: rows.into_iter() }))
    }

    /// Refuses what needs all of a store while only a part is there.
    pub(super) fn whole(&self) -> Result<(), StoreError> {
        self.importing.as_ref().map_or(Ok(()), |importing| Err(import::unfinished(importing)))
    }
}

impl Object {
    fn row(&self, key: abide_core::Key) -> ObjectRow {
        ObjectRow {
            key,
            head: self.head,
            floor: self.floor,
            incarnation: self.incarnation,
            state: self.state.clone(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            commit_id: self.commit_id,
        }
    }
}
