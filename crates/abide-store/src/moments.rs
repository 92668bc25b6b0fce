//! Rows that are of different moments, made to fit together as far as the numbers of messages go.

use std::hash::{BuildHasher, RandomState};

use abide_core::{
    Key, StoreError,
    port::{
        BoxFuture,
        store::{Export, MessageId, Row},
    },
};
use rustc_hash::FxHashMap;

/// Of so many objects the heads are remembered: some 1.7 GB at most.
const HEADS_MAX: usize = 50_000_000;

/// Whether the place of a key was read before this row.
type Earlier = Box<dyn Fn(&Row, &Key) -> bool + Send>;

/// An export whose rows are of different moments. A message's number is made of its sender's seq, and an object that
/// was read late may have applied messages of turns that its sender, read early, has not made yet. A store that
/// is made of such rows would take the messages of those turns, when they are made, for known ones. So what
/// has been received is lowered to what the sender has sent, and messages that it has not sent are left out.
pub(crate) struct Moments<E> {
    rows: E,
    earlier: Earlier,
    hasher: RandomState,
    /// The heads of objects that came, by the hash of their keys: with 64 bits, two of ten million objects
    /// have the same once in a hundred thousand exports, and then the lower head counts.
    heads: FxHashMap<u64, u64>,
}

impl<E: Export> Moments<E> {
    /// Rows of which `earlier` says whether a key's place was read before.
    pub(crate) fn new(rows: E, earlier: impl Fn(&Row, &Key) -> bool + Send + 'static) -> Self {
        Self { rows, earlier: Box::new(earlier), hasher: RandomState::new(), heads: FxHashMap::default() }
    }

    /// The row as it fits to those before, if it does.
    fn fit(&mut self, mut row: Row) -> Option<Row> {
        let sent = match &row {
            Row::Object(object) => {
                let head = object.head.number();
                if head > 0 && self.heads.len() < HEADS_MAX {
                    let there = self.heads.entry(self.hasher.hash_one(&object.key)).or_insert(head);
                    *there = head.min(*there);
                }
                return Some(row);
            }
            Row::Received { sender, .. } => self.sent(&row, sender),
            Row::Message(message) => self.sent(&row, &message.id.sender),
            Row::Change { .. } | Row::Alarm { .. } | Row::Outcome { .. } => return Some(row),
        };
        match (sent, &mut row) {
            (Some(sent), Row::Received { n, .. }) => *n = sent.min(*n),
            (Some(sent), Row::Message(message)) if message.id.n > sent => return None,
            _ => {}
        }
        Some(row)
    }

    /// The last number that a sender can have sent, if it was read before this row: otherwise it comes as it
    /// was later, and has sent all that this row knows of.
    fn sent(&self, row: &Row, sender: &Key) -> Option<u64> {
        if !(self.earlier)(row, sender) {
            return None;
        }
        match self.heads.get(&self.hasher.hash_one(sender)) {
            Some(head) => Some(MessageId::last_of(*head)),
            None if self.heads.len() < HEADS_MAX => Some(MessageId::last_of(0)),
            None => None,
        }
    }
}

impl<E: Export> Export for Moments<E> {
    fn total(&self) -> u64 {
        self.rows.total()
    }

    fn of_one_moment(&self) -> bool {
        false
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            loop {
                let page = self.rows.next(limit).await?;
                let is_end = page.is_empty();
                let page: Vec<Row> = page.into_iter().filter_map(|row| self.fit(row)).collect();
                if is_end || !page.is_empty() {
                    return Ok(page);
                }
            }
        })
    }
}
