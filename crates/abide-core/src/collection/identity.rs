//! Whether a collection is still the value of its field.

use std::sync::atomic::{AtomicU32, Ordering};

/// Which field a collection belongs to, and whether its edits can be told.
///
/// Rust moves values without a trace, so a collection that was moved out of its field, kept elsewhere
/// in the state and moved back later must give itself away: it was written out more than once since
/// its edits were last taken.
#[derive(Debug, Default)]
pub(super) struct Identity {
    field: Option<&'static str>,
    lost: bool,
    written: AtomicU32,
}

impl Identity {
    /// That of a value that was read: where it comes from it was written.
    pub(super) fn read() -> Self {
        Self { written: AtomicU32::new(1), ..Self::default() }
    }

    /// Whether edits are worth recording: not before the value belongs to a field.
    pub(super) fn records(&self) -> bool {
        self.field.is_some() && !self.lost
    }

    /// Gives up on the edits until they are taken the next time.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// Makes it the value of `field`. Says whether the edits since the last time lead from the value
    /// that `field` had then.
    pub(super) fn renew(&mut self, field: &'static str) -> bool {
        let written = *self.written.get_mut();
        let told = self.field == Some(field) && !self.lost && written <= 1;
        let written = if self.field.is_none() { written } else { 0 };
        *self = Self { field: Some(field), lost: false, written: written.into() };
        told
    }

    /// Notes that the value was written out.
    pub(super) fn note_written(&self) {
        let count = |written: u32| written.checked_add(1);
        let _ = self.written.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }
}

/// A clone is another value: it belongs to no field.
impl Clone for Identity {
    fn clone(&self) -> Self {
        Self::default()
    }
}
