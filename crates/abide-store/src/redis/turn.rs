//! The order of rounds, also where one has to be sent again.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

/// How many rounds are being sent again: while there are any, no new one goes out.
#[derive(Default)]
pub(super) struct Repeated(AtomicUsize);

impl Repeated {
    pub(super) fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The place of a round behind the one that went out before it. The next round waits for its end.
pub(super) struct Turn<'w> {
    before: Option<oneshot::Receiver<()>>,
    /// Dropped at the end.
    _end: oneshot::Sender<()>,
    repeated: &'w Repeated,
    is_repeated: bool,
}

impl<'w> Turn<'w> {
    /// The turn behind that whose end is given, and its own end.
    pub(super) fn behind(
        before: Option<oneshot::Receiver<()>>,
        repeated: &'w Repeated,
    ) -> (Self, oneshot::Receiver<()>) {
        let (end, ended) = oneshot::channel();
        (Self { before, _end: end, repeated, is_repeated: false }, ended)
    }

    /// Waits until something of the round may be sent again: when the one before it is over. From now on no
    /// further round goes out before the end of this one.
    pub(super) async fn again(&mut self) {
        if !std::mem::replace(&mut self.is_repeated, true) {
            self.repeated.0.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(before) = self.before.take() {
            // Its end is dropped, never sent.
            let _ = before.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_repeated {
            self.repeated.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
