//! News on their way to a reader: no more than so many, and no more than so many bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use abide_core::{Error, Result};
use tokio::sync::{mpsc, mpsc::error::TrySendError};

use crate::news::News;

/// What a piece of news takes besides its JSON.
const PIECE_BYTES: usize = 128;

/// Where news are put.
pub(crate) struct Put {
    news: mpsc::Sender<(usize, Result<News>)>,
    shared: Arc<Held>,
}

/// Where they are taken.
pub(crate) struct Take {
    news: mpsc::Receiver<(usize, Result<News>)>,
    shared: Arc<Held>,
}

struct Held {
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// Why news were not put.
pub(crate) enum NotPut {
    /// The reader has to catch up first.
    Full(Result<News>),
    /// There is no reader.
    Gone,
}

/// A shelf for so much. A piece that is larger than the whole shelf is put on an empty one.
pub(crate) fn shelf(pieces_max: usize, bytes_max: usize) -> (Put, Take) {
    let (put, take) = mpsc::channel(pieces_max);
    let shared = Arc::new(Held { bytes: AtomicUsize::new(0), bytes_max });
    (Put { news: put, shared: shared.clone() }, Take { news: take, shared })
}

impl Put {
    pub(crate) fn put(&self, news: Result<News>) -> Result<(), NotPut> {
        let bytes = news.as_ref().map_or_else(error_bytes, News::bytes) + PIECE_BYTES;
        let held = self.shared.bytes.load(Ordering::Relaxed);
        if held > 0 && held + bytes > self.shared.bytes_max {
            return Err(if self.is_closed() { NotPut::Gone } else { NotPut::Full(news) });
        }
        // Before it is sent: it may be taken at once.
        self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.news.try_send((bytes, news)).map_err(|error| {
            self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                TrySendError::Full((_, news)) => NotPut::Full(news),
                TrySendError::Closed(_) => NotPut::Gone,
            }
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.news.is_closed()
    }

    /// Whether at least half of it is free.
    pub(crate) fn has_room(&self) -> bool {
        self.news.capacity() >= self.news.max_capacity() / 2
            && self.shared.bytes.load(Ordering::Relaxed) <= self.shared.bytes_max / 2
    }
}

impl Take {
    pub(crate) async fn next(&mut self) -> Option<Result<News>> {
        let (bytes, news) = self.news.recv().await?;
        self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(news)
    }

    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Result<News>> {
        let (bytes, news) = self.news.try_recv().ok()?;
        self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(news)
    }
}

fn error_bytes(error: &Error) -> usize {
    error.detail().len()
}

#[cfg(test)]
mod tests {
    use abide_core::{Json, Seq};

    use super::*;

    fn state(bytes: usize) -> Result<News> {
        let state = Some(Json::of(&"x".repeat(bytes)).unwrap());
        Ok(News::Snapshot { seq: Seq::new(1), state })
    }

    #[test]
    fn what_is_put_is_bounded_in_bytes_and_in_number() {
        let (put, mut take) = shelf(3, 10_000);
        assert!(put.put(state(20_000)).is_ok(), "one piece always fits");
        assert!(matches!(put.put(state(1)), Err(NotPut::Full(_))) && !put.has_room());
        assert!(take.try_next().is_some() && put.has_room());
        for _ in 0..3 {
            assert!(put.put(state(100)).is_ok());
        }
        assert!(matches!(put.put(state(100)), Err(NotPut::Full(_))));
        for _ in 0..3 {
            assert!(take.try_next().is_some());
        }
        assert_eq!(put.shared.bytes.load(Ordering::Relaxed), 0);
        drop(take);
        assert!(matches!(put.put(state(1)), Err(NotPut::Gone)));
    }
}
