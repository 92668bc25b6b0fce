use std::sync::Arc;

use abide_core::StoreError;
use tokio::sync::Semaphore;

/// Lets some reads be under way at a time, and others wait for them.
///
/// What was sent to the server is answered by it, whether anybody waits or not: its turn lasts until then.
/// What is given up before its turn is never sent.
pub(super) struct Turns {
    under_way: Arc<Semaphore>,
    /// For those that wait and those that are under way.
    places: Arc<Semaphore>,
}

impl Turns {
    /// So many at a time, while so many others wait.
    pub(super) fn new(at_a_time: usize, waiting_max: usize) -> Self {
        let places = at_a_time.saturating_add(waiting_max).min(Semaphore::MAX_PERMITS);
        Self { under_way: Arc::new(Semaphore::new(at_a_time)), places: Arc::new(Semaphore::new(places)) }
    }

    /// Does the work when it is its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(StoreError::Unavailable("too many reads are waiting for the store".into()));
        };
        let Ok(turn) = self.under_way.clone().acquire_owned().await else {
            return Err(StoreError::Closed);
        };
        #[expect(clippy::disallowed_methods, reason = "the server answers in a limited time, and that ends it")]
        let working = tokio::spawn(async move {
            let done = work.await;
            drop((turn, place));
            done
        });
        working.await.unwrap_or(Err(StoreError::Closed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_was_given_up_before_its_turn_is_not_sent_and_leaves_its_place() {
        let (turns, sent) = (Turns::new(1, 1), Arc::new(AtomicUsize::new(0)));
        let work = |answered: oneshot::Receiver<u8>| {
            let sent = sent.clone();
            async move {
                sent.fetch_add(1, Ordering::SeqCst);
                answered.await.map_err(|_| StoreError::Closed)
            }
        };
        let (answer, answered) = oneshot::channel();
        let mut first = Box::pin(turns.run(work(answered)));
        assert!((&mut first).now_or_never().is_none());
        for _ in 0..100 {
            let mut given_up = Box::pin(turns.run(work(oneshot::channel().1)));
            assert!((&mut given_up).now_or_never().is_none(), "there was no place for it");
        }
        let (last_answer, last_answered) = oneshot::channel();
        let mut last = Box::pin(turns.run(work(last_answered)));
        assert!((&mut last).now_or_never().is_none());
        let crowded = turns.run(work(oneshot::channel().1)).await;
        assert!(matches!(crowded, Err(StoreError::Unavailable(_))), "{crowded:?}");
        answer.send(1).unwrap();
        last_answer.send(2).unwrap();
        assert_eq!((first.await, last.await), (Ok(1), Ok(2)));
        assert_eq!(sent.load(Ordering::SeqCst), 2, "what nobody waited for was sent");
    }

    #[tokio::test]
    async fn what_was_sent_keeps_its_turn_until_it_is_answered() {
        let turns = Turns::new(1, 9);
        let (answer, answered) = oneshot::channel::<()>();
        let mut given_up = Box::pin(turns.run(async move { answered.await.map_err(|_| StoreError::Closed) }));
        assert!((&mut given_up).now_or_never().is_none());
        tokio::task::yield_now().await;
        drop(given_up);
        let mut next = Box::pin(turns.run(async { Ok(7) }));
        for _ in 0..10 {
            assert!((&mut next).now_or_never().is_none(), "two were under way");
            tokio::task::yield_now().await;
        }
        answer.send(()).unwrap();
        assert_eq!(next.await, Ok(7));
    }
}
