//! What a watcher that is behind has read of the log and not yet handed out, bounded in bytes.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use abide_core::ChangeRecord;

/// How many bytes of changes one watcher holds, but for the first, which is handed out at once.
pub(crate) const PAGE_BYTES: usize = 64 << 10;

/// What a change takes besides its text.
const CHANGE_BYTES: usize = 128;

/// How much the pages of all watchers may hold together.
pub(crate) struct PageRoom {
    bytes_max: usize,
    held: AtomicUsize,
}

impl PageRoom {
    /// So many bytes for all pages.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: AtomicUsize::new(0) }
    }

    /// Takes so many bytes, if there are.
    fn take(&self, bytes: usize) -> bool {
        let sum = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
    }
}

/// Changes that come next, in order.
pub(crate) struct Page {
    changes: VecDeque<ChangeRecord>,
    /// How many bytes of the room are this page's.
    bytes: usize,
    room: Arc<PageRoom>,
}

impl Page {
    /// An empty one.
    pub(crate) fn new(room: Arc<PageRoom>) -> Self {
        Self { changes: VecDeque::new(), bytes: 0, room }
    }

    /// Whether all was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The next change.
    pub(crate) fn pop(&mut self) -> Option<ChangeRecord> {
        let next = self.changes.pop_front();
        if self.changes.is_empty() {
            self.clear();
        }
        next
    }

    /// Keeps of the changes that were read as many as there is room for, and the first in any case: it is to
    /// be taken before anything is waited for. Says how many it kept.
    pub(crate) fn fill(&mut self, mut changes: Vec<ChangeRecord>) -> usize {
        self.clear();
        let mut bytes = 0;
        let kept = changes.iter().skip(1).take_while(|change| {
            bytes += size_of(change);
            bytes <= PAGE_BYTES
        });
        let kept = kept.count() + 1;
        changes.truncate(kept);
        let rest = changes.iter().skip(1).map(size_of).sum();
        if self.room.take(rest) {
            self.bytes = rest;
        } else {
            changes.truncate(1);
        }
        // What was read and is not kept leaves memory now.
        changes.shrink_to_fit();
        self.changes = changes.into();
        self.changes.len()
    }

    fn clear(&mut self) {
        self.changes = VecDeque::new();
        self.room.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.clear();
    }
}

fn size_of(change: &ChangeRecord) -> usize {
    CHANGE_BYTES + change.json.as_str().len()
}

#[cfg(test)]
mod tests {
    use abide_core::{Json, Seq, Timestamp};

    use super::*;

    fn changes(lengths: &[usize]) -> Vec<ChangeRecord> {
        let change = |(n, length): (u64, &usize)| ChangeRecord {
            seq: Seq::new(n),
            at: Timestamp::EPOCH,
            json: Json::trusted(format!("{:?}", "x".repeat(length - 2))),
            snapshot: None,
        };
        (1..).zip(lengths).map(change).collect()
    }

    fn rest(page: &mut Page) -> Vec<u64> {
        std::iter::from_fn(|| page.pop()).map(|change| change.seq.number()).collect()
    }

    #[test]
    fn a_page_keeps_the_first_change_whatever_its_size_and_of_the_others_what_fits() {
        let room = Arc::new(PageRoom::new(1 << 20));
        let mut page = Page::new(room.clone());
        for (lengths, kept) in [
            (vec![], 0),
            (vec![1 << 20], 1),
            (vec![1 << 20, 1 << 20, 10], 1),
            (vec![10, PAGE_BYTES - CHANGE_BYTES, 10], 2),
            (vec![10, PAGE_BYTES - CHANGE_BYTES + 1, 10], 1),
            (vec![1 << 20; 256], 1),
            (vec![1000; 256], 1 + PAGE_BYTES / (1000 + CHANGE_BYTES)),
            (vec![10; 256], 256),
        ] {
            assert_eq!(page.fill(changes(&lengths)), kept, "{}", lengths.len());
            assert!(room.held.load(Ordering::Relaxed) <= PAGE_BYTES);
            assert_eq!(rest(&mut page), (1..=kept as u64).collect::<Vec<_>>());
            assert_eq!(room.held.load(Ordering::Relaxed), 0, "what is handed out is not held");
        }
    }

    #[test]
    fn all_pages_together_hold_no_more_than_the_room_and_each_goes_on_one_by_one() {
        let room = Arc::new(PageRoom::new(100_000));
        let mut pages: Vec<_> = (0..100).map(|_| Page::new(room.clone())).collect();
        for page in &mut pages {
            page.fill(changes(&[20_000; 4]));
            assert!(room.held.load(Ordering::Relaxed) <= 100_000);
        }
        assert_eq!(rest(&mut pages[99]), [1], "one is always there");
        assert_eq!(pages[99].fill(changes(&[20_000; 4])), 1, "the rest is read again");
        assert_eq!(rest(&mut pages[0]), [1, 2, 3, 4]);
        assert!(pages[99].fill(changes(&[20_000; 4])) > 1, "there is room again");
        drop(pages);
        assert_eq!(room.held.load(Ordering::Relaxed), 0);
    }
}
