use std::{
    pin::Pin,
    sync::{Arc, Weak},
};

use abide_core::Shard;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

/// Tells those who read the feed that it moved. Who is told has been waiting already when it moved:
/// news are not kept.
#[derive(Debug, Default)]
pub(crate) struct News {
    any: Arc<Notify>,
    /// Those who wait for one shard; at most one entry for each.
    shards: Mutex<FxHashMap<Shard, Weak<Notify>>>,
}

impl News {
    /// Resolves at the next news of this shard, or of any. Counts from now on, not from the first poll.
    pub(crate) fn wait(&self, shard: Option<Shard>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Some(shard) = shard else { return Box::pin(self.any.clone().notified_owned()) };
        let mut shards = self.shards.lock();
        let of_shard = shards.entry(shard).or_default();
        let notify = of_shard.upgrade().unwrap_or_default();
        *of_shard = Arc::downgrade(&notify);
        // What waits holds on to it, so that it is there to be told.
        Box::pin(notify.notified_owned())
    }

    /// The feeds of these shards moved.
    pub(crate) fn tell(&self, moved: impl Iterator<Item = Shard>) {
        self.any.notify_waiters();
        let mut shards = self.shards.lock();
        if shards.is_empty() {
            return;
        }
        for shard in moved {
            if let Some(notify) = shards.remove(&shard).and_then(|weak| weak.upgrade()) {
                notify.notify_waiters();
            }
        }
    }

    /// Any feed may have moved.
    #[cfg(any(feature = "postgres", feature = "redis", test))]
    pub(crate) fn tell_all(&self) {
        self.any.notify_waiters();
        for notify in self.shards.lock().drain().filter_map(|(_, weak)| weak.upgrade()) {
            notify.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_told(waiting: &mut Pin<Box<dyn Future<Output = ()> + Send>>) -> bool {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn who_waits_is_told_of_what_was_waited_for_and_once() {
        let news = News::default();
        let (one, two) = (Shard::new(1), Shard::new(2));
        let [mut any, mut first, mut again, mut second] =
            [None, Some(one), Some(one), Some(two)].map(|shard| news.wait(shard));
        assert!(![&mut any, &mut first, &mut second].into_iter().any(is_told));
        news.tell([one].into_iter());
        assert!([&mut any, &mut first, &mut again].into_iter().all(is_told));
        assert!(!is_told(&mut second));
        let mut later = news.wait(Some(one));
        assert!(!is_told(&mut later));
        news.tell_all();
        assert!(is_told(&mut later) && is_told(&mut second));
        assert!(news.shards.lock().is_empty());
    }

    #[test]
    fn who_gave_up_leaves_nothing_behind_but_one_entry_a_shard() {
        let news = News::default();
        for _ in 0..100 {
            drop(news.wait(Some(Shard::new(7))));
        }
        assert_eq!(news.shards.lock().len(), 1);
    }
}
