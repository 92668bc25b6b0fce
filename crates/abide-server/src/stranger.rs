use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How much a connection of frames may bring before it has said who is there.
pub(crate) const STRANGER_BYTES_MAX: usize = 64 << 10;

/// How much somebody may still send who may not be known yet.
#[derive(Clone, Debug)]
pub(crate) struct Stranger(Arc<AtomicUsize>);

impl Default for Stranger {
    /// Nobody, of whom nothing is expected: as good as known.
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }
}

impl Stranger {
    /// From here on it is a stranger who sends.
    pub(crate) fn begins(&self) {
        self.0.store(STRANGER_BYTES_MAX, Ordering::Relaxed);
    }

    /// It is known now, and may send what it likes.
    pub(crate) fn is_known(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    /// Whether it may have sent so many bytes more.
    pub(crate) fn may_send(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left == usize::MAX {
            return true;
        }
        self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        bytes <= left
    }

    /// What it hears if it may not.
    pub(crate) fn refusal() -> String {
        format!("more than {STRANGER_BYTES_MAX} bytes have come before a `hello`; connect again")
    }
}
