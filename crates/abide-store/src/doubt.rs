use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use abide_core::{Key, StoreError};
use rustc_hash::FxHashSet;
use tokio::{sync::watch, time::timeout};

/// Objects whose last commits have no known end: the answer was lost. Reads of them wait until it is known, and so
/// until nothing of what they would tell can still come, or go.
pub(crate) struct Doubts {
    keys: watch::Sender<FxHashSet<Key>>,
    raised: AtomicU64,
}

impl Doubts {
    pub(crate) fn new() -> Self {
        Self { keys: watch::Sender::new(FxHashSet::default()), raised: AtomicU64::new(0) }
    }

    pub(crate) fn are_any(&self) -> bool {
        !self.keys.borrow().is_empty()
    }

    /// Adds objects. They are few: nothing more is written before the end of what was is known.
    pub(crate) fn raise<'k>(&self, keys: impl Iterator<Item = &'k Key>) {
        self.raised.fetch_add(1, Ordering::SeqCst);
        self.keys.send_modify(|doubtful| doubtful.extend(keys.cloned()));
    }

    /// How often objects were added: what was read while this moved may have shown what does not stay.
    pub(crate) fn raised(&self) -> u64 {
        self.raised.load(Ordering::SeqCst)
    }

    /// What is there now stays.
    pub(crate) fn settle(&self) {
        self.keys.send_modify(|doubtful| *doubtful = FxHashSet::default());
    }

    /// Waits until there is no doubt about an object, or about any, but no longer than this.
    pub(crate) async fn settled(&self, of: Option<&Key>, wait: Duration) -> Result<(), StoreError> {
        let is_settled = |doubtful: &FxHashSet<Key>| match of {
            Some(key) => !doubtful.contains(key),
            None => doubtful.is_empty(),
        };
        if is_settled(&self.keys.borrow()) {
            return Ok(());
        }
        let mut doubtful = self.keys.subscribe();
        match timeout(wait, doubtful.wait_for(is_settled)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Unavailable(format!(
                "the answer to a commit was lost, and after {wait:?} it is not known yet what became of it"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn reads_of_what_is_in_doubt_wait_until_it_is_settled_and_all_others_go_on() {
        let doubts = Doubts::new();
        let [a, b] = ["a", "b"].map(|id| Key::parse("default", "Counter", id).unwrap());
        doubts.settled(None, LONG).await.unwrap();
        doubts.raise([&a].into_iter());
        doubts.settled(Some(&b), LONG).await.unwrap();
        let (mut one, mut all) = (Box::pin(doubts.settled(Some(&a), LONG)), Box::pin(doubts.settled(None, LONG)));
        assert!((&mut one).now_or_never().is_none() && (&mut all).now_or_never().is_none());
        let told = doubts.settled(Some(&a), Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(&told, StoreError::Unavailable(_)), "{told}");
        doubts.settle();
        one.await.unwrap();
        all.await.unwrap();
        assert!(!doubts.are_any());
    }
}
