use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use abide_core::{
    Json, Key, Seq, StoreError,
    port::{
        BoxFuture,
        store::{Export, Loaded, ObjectRow, PAGE_BYTES, Row},
    },
};
use redis::Value;

use super::whole;
use crate::{
    moments::Moments,
    redis::{
        codec,
        fault::damaged,
        names::{self, Names},
        read::{self, objects},
        reply, script,
        writer::Shared,
    },
};

/// How many objects, or messages, are read together at most.
const PAGE: usize = 500;

/// The rows of a store, part by part: objects in the order of their names, each read whole in one script,
/// then messages.
struct Rows {
    shared: Arc<Shared>,
    total: u64,
    part: u32,
    stage: Stage,
    low: Vec<u8>,
    ready: VecDeque<Row>,
}

#[derive(Clone, Copy)]
enum Stage {
    Objects,
    Messages,
}

pub(in crate::redis) async fn export(shared: Arc<Shared>) -> Result<Box<dyn Export>, StoreError> {
    whole(&shared).await?;
    let mut total = 0;
    for set in ["objects", "due", "dead", "outbox", "expire"] {
        let size = |tag: &str| {
            let mut cmd = redis::cmd("ZCARD");
            cmd.arg(format!("{tag}:{set}"));
            cmd
        };
        for found in read::parts(&shared, size).await? {
            total += reply::number(found)?;
        }
    }
    let changes = |tag: &str| {
        let mut cmd = redis::cmd("HGET");
        cmd.arg(format!("{tag}:meta")).arg("changes");
        cmd
    };
    for found in read::parts(&shared, changes).await? {
        total += reply::number(found)?;
    }
    let low = b"-".to_vec();
    let rows = Rows { shared: Arc::clone(&shared), total, part: 0, stage: Stage::Objects, low, ready: VecDeque::new() };
    Ok(Box::new(Moments::new(rows, move |row, sender| was_read(&shared.names, row, sender))))
}

/// Whether a sender's place comes before that of a row.
fn was_read(names: &Names, row: &Row, sender: &Key) -> bool {
    match row {
        Row::Received { key, .. } => {
            let place = |key| (names.part(key), names::name(key));
            place(sender) < place(key)
        }
        // They are read after all objects of the part, and their senders are in it.
        Row::Message(_) => true,
        Row::Object(_) | Row::Change { .. } | Row::Alarm { .. } | Row::Outcome { .. } => false,
    }
}

impl Export for Rows {
    fn total(&self) -> u64 {
        self.total
    }

    fn of_one_moment(&self) -> bool {
        false
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            while self.ready.is_empty() && self.part < self.shared.names.parts {
                self.read().await?;
            }
            let (mut page, mut bytes) = (Vec::new(), 0);
            while page.len() < limit.max(1)
                && bytes < PAGE_BYTES
                && let Some(row) = self.ready.pop_front()
            {
                bytes += row.bytes();
                page.push(row);
            }
            Ok(page)
        })
    }
}

impl Rows {
    /// Reads the next rows, or goes on to what comes next.
    async fn read(&mut self) -> Result<(), StoreError> {
        let (tag, slot) = (self.shared.names.tag(self.part), self.shared.names.slot(self.part));
        let cmd = match self.stage {
            Stage::Objects => {
                let mut cmd = script::EXPORT.call(tag);
                cmd.arg(tag).arg(&self.low).arg(PAGE).arg(PAGE_BYTES);
                cmd
            }
            Stage::Messages => {
                let mut cmd = script::OUTBOX.call(tag);
                cmd.arg(tag).arg(&self.low).arg(PAGE).arg(PAGE_BYTES);
                cmd
            }
        };
        let [found] = read::all(&self.shared, [(slot, cmd)]).await?;
        let found = match self.stage {
            Stage::Objects => reply::list(found)?,
            Stage::Messages => reply::counted(found)?.0,
        };
        if found.is_empty() {
            self.low = b"-".to_vec();
            (self.stage, self.part) = match self.stage {
                Stage::Objects => (Stage::Messages, self.part),
                Stage::Messages => (Stage::Objects, self.part + 1),
            };
            return Ok(());
        }
        for row in found {
            let row = reply::list(row)?;
            let name = reply::bytes(row.first().cloned().unwrap_or_default())?;
            match self.stage {
                Stage::Objects => self.ready.extend(object(&name, row)?),
                Stage::Messages => {
                    let text = reply::text(row.into_iter().nth(1).unwrap_or_default())?;
                    self.ready.push_back(Row::Message(Box::new(codec::decode_message(&text)?)));
                }
            }
            self.low = [b"(", &name[..]].concat();
        }
        Ok(())
    }
}

/// The rows of one object.
fn object(name: &[u8], row: Vec<Value>) -> Result<Vec<Row>, StoreError> {
    let no_object = || damaged(format!("{:?} is no object", String::from_utf8_lossy(name)));
    let key = std::str::from_utf8(name).ok().and_then(names::parse_name).ok_or_else(no_object)?;
    let found: Result<[Value; 6], _> = row.try_into();
    let [_, hash, changes, snapshots, received, outcomes] = found.map_err(|_| no_object())?;
    let loaded = objects::loaded(hash)?.ok_or_else(no_object)?;
    let Loaded { head, floor, incarnation, state, version, created_at, updated_at, commit_id, alarms } = loaded;
    let object = ObjectRow { key, head, floor, incarnation, state, version, created_at, updated_at, commit_id };
    let key = object.key.clone();
    let mut rows = vec![Row::Object(Box::new(object))];
    let mut snapshots = read_snapshots(&snapshots)?;
    for (entry, seq) in reply::list(changes)?.into_iter().zip(1..) {
        let mut change = objects::change(floor.plus(seq), &reply::text(entry)?)?;
        change.snapshot = snapshots.remove(&change.seq);
        rows.push(Row::Change { key: key.clone(), change });
    }
    rows.extend(alarms.into_iter().map(|alarm| Row::Alarm { key: key.clone(), alarm: Box::new(alarm) }));
    for (sender, n) in pairs(received)? {
        let sender = std::str::from_utf8(&sender).ok().and_then(names::parse_name).ok_or_else(no_object)?;
        let n = reply::digits(&String::from_utf8_lossy(&n))?;
        rows.push(Row::Received { key: key.clone(), sender, n });
    }
    for (field, text) in pairs(outcomes)? {
        rows.push(outcome(&key, &field, &text)?);
    }
    Ok(rows)
}

fn read_snapshots(members: &Value) -> Result<BTreeMap<Seq, Json>, StoreError> {
    let snapshot = |member: String| {
        let (seq, json) = member.split_once(':').ok_or_else(|| damaged("a snapshot has no seq"))?;
        Ok((Seq::new(reply::digits(seq)?), Json::trusted(json)))
    };
    reply::texts(members)?.into_iter().map(snapshot).collect()
}

fn outcome(key: &Key, field: &[u8], text: &[u8]) -> Result<Row, StoreError> {
    let unreadable = || damaged(format!("an outcome of {key} cannot be read"));
    let (caller, call_key) = names::parse_outcome_field(field).ok_or_else(unreadable)?;
    let text = std::str::from_utf8(text).map_err(|_| unreadable())?;
    let outcome = Box::new(codec::decode_outcome(&caller, &call_key, text)?);
    Ok(Row::Outcome { key: key.clone(), outcome })
}

/// A field of a hash and what it holds.
type Pair = (Vec<u8>, Vec<u8>);

fn pairs(hash: Value) -> Result<Vec<Pair>, StoreError> {
    let mut all = reply::list(hash)?.into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (all.next(), all.next()) {
        pairs.push((reply::bytes(name)?, reply::bytes(value)?));
    }
    Ok(pairs)
}
