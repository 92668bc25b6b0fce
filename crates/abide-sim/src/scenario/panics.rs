//! Panics that nobody planned: a task of the node that panics would otherwise go unnoticed.

use std::{
    cell::{Cell, RefCell},
    panic,
    sync::Once,
};

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Watches this thread's panics until it is dropped; they are not printed meanwhile.
pub(crate) struct Watched(());

/// Begins to watch.
pub(crate) fn watch() -> Watched {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                SEEN.with_borrow_mut(|seen| seen.push(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    SEEN.take();
    WATCHED.set(true);
    Watched(())
}

impl Watched {
    /// The first panic since `watch`.
    pub(crate) fn first(&self) -> Option<String> {
        SEEN.with_borrow(|seen| seen.first().cloned())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.set(false);
    }
}
