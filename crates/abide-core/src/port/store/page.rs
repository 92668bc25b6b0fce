use super::{DueAlarm, OutboxMessage};
use crate::change::ChangeRecord;

/// About how many bytes a page of changes, objects, alarms or messages has at most, unless a single row
/// has more.
pub const READ_BYTES: usize = 8 << 20;

/// What a row takes beside its texts, about.
pub(crate) const ROW_BYTES: usize = 128;

/// A page of alarms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlarmsPage {
    /// The alarms, in their order.
    pub alarms: Vec<DueAlarm>,
    /// Whether there are more behind them right now.
    pub more: bool,
    /// Whether a part of the store is away: nothing that it holds is in the page, and it is to be looked for
    /// again.
    pub partial: bool,
}

/// A page of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutboxPage {
    /// The messages, in their order.
    pub messages: Vec<OutboxMessage>,
    /// Whether there are more behind them right now.
    pub more: bool,
    /// Whether a part of the store is away: nothing that it holds is in the page, and it is to be looked for
    /// again.
    pub partial: bool,
}

/// How much a page that is being read has room for: so many rows, and [`READ_BYTES`].
#[derive(Clone, Debug)]
pub struct Room {
    rows: usize,
    bytes: usize,
    first: bool,
}

impl Room {
    /// Of an empty page of at most `limit` rows.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self { rows: limit, bytes: READ_BYTES, first: true }
    }

    /// Whether the next row, of so many bytes, is in the page. The first is, however large it is; behind one
    /// that is not, none is.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let fits = self.rows > 0 && (self.first || bytes <= self.bytes);
        (self.rows, self.bytes) = if fits { (self.rows - 1, self.bytes.saturating_sub(bytes)) } else { (0, 0) };
        self.first = false;
        fits
    }

    /// Whether no further row can be in the page.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

impl ChangeRecord {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_str().len());
        ROW_BYTES + self.json.as_str().len() + snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limit: usize, rows: &[usize]) -> usize {
        let mut room = Room::of(limit);
        rows.iter().filter(|bytes| room.takes(**bytes)).count()
    }

    #[test]
    fn a_page_ends_with_its_rows_or_its_bytes_and_has_one_in_any_case() {
        for (limit, rows, count) in [
            (0, &[1, 1][..], 0),
            (2, &[1, 1, 1], 2),
            (9, &[], 0),
            (9, &[READ_BYTES * 3, 1, 1], 1),
            (9, &[1, READ_BYTES * 3, 1], 1),
            (9, &[READ_BYTES / 2, READ_BYTES / 2, 1], 2),
            (9, &[READ_BYTES / 2, READ_BYTES, 1, 1], 1),
        ] {
            assert_eq!(taken(limit, rows), count, "{limit} of {rows:?}");
        }
    }
}
