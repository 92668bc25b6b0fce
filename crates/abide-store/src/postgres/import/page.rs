use abide_core::{
    ChangeRecord, Key, Seq,
    port::store::{Alarm, ObjectRow, OutboxMessage, Outcome},
};

/// Rows of one transaction, table by table, with the numbers they got.
#[derive(Default)]
pub(super) struct Page<'r> {
    /// Number, shard, and the rest.
    pub(super) objects: Vec<(i64, u32, &'r ObjectRow)>,
    pub(super) alarms: Vec<(i64, &'r Alarm)>,
    pub(super) received: Vec<(i64, &'r Key, u64)>,
    pub(super) outcomes: Vec<(i64, &'r Outcome)>,
    pub(super) messages: Vec<&'r OutboxMessage>,
    pub(super) log: Vec<Entry<'r>>,
}

/// An entry of the log.
pub(super) struct Entry<'r> {
    pub(super) shard: u32,
    pub(super) position: i64,
    pub(super) oid: i64,
    /// The first seq, where it is not the last.
    pub(super) first: Option<i64>,
    pub(super) seq: i64,
    pub(super) change: Option<&'r ChangeRecord>,
}

impl<'r> Page<'r> {
    /// One step for all changes that are not kept.
    pub(super) fn log_step(&mut self, oid: i64, shard: u32, position: i64, floor: Seq) {
        let seq = floor.number().cast_signed();
        let first = Some(1).filter(|first| *first < seq);
        self.log.push(Entry { shard, position, oid, first, seq, change: None });
    }

    pub(super) fn log_change(&mut self, oid: i64, shard: u32, position: i64, change: &'r ChangeRecord) {
        let seq = change.seq.number().cast_signed();
        self.log.push(Entry { shard, position, oid, first: None, seq, change: Some(change) });
    }
}
