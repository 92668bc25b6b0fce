//! Panics that nobody planned: a task of the node that panics would otherwise go unnoticed.

use std::{
    cell::{Cell, RefCell},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Watches this thread's panics until it is dropped; they are not printed meanwhile.
pub(crate) struct Watched(());

/// Whether panics of all threads are kept, and what they were.
static EVERYWHERE: AtomicBool = AtomicBool::new(false);
static SEEN_EVERYWHERE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.get() {
                SEEN.with_borrow_mut(|seen| seen.push(info.to_string()));
            } else if EVERYWHERE.load(Ordering::SeqCst) {
                SEEN_EVERYWHERE.lock().push(info.to_string());
            } else {
                before(info);
            }
        }));
    });
}

/// Runs `work` and returns the panics of all threads meanwhile, beside its result.
pub(crate) fn everywhere<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    hook();
    EVERYWHERE.store(true, Ordering::SeqCst);
    let done = work();
    EVERYWHERE.store(false, Ordering::SeqCst);
    (done, std::mem::take(&mut *SEEN_EVERYWHERE.lock()))
}

/// Begins to watch.
pub(crate) fn watch() -> Watched {
    hook();
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
