//! Handlers that keep their thread: noticed from outside, since they let nobody else run, not even a timer.
//!
//! A thread notes which handler it is about to run, and when it is back: a few plain stores. One thread of
//! the process looks at these notes twice a second, and warns of a handler that has not come back.

mod patience;
mod watchdog;

use std::{
    cell::OnceCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
};

use abide_core::{Error, port::BoxFuture};

use crate::object::{Handler, Object};

pub(crate) use watchdog::watch;

/// What a thread runs, written by itself alone.
#[derive(Debug, Default)]
struct Note {
    /// The tag of the handler; 0 while there is none.
    handler: AtomicU64,
    /// Counts every beginning, so that the next turn of the same handler is told apart.
    turns: AtomicU64,
}

thread_local! {
    static NOTE: OnceCell<Arc<Note>> = const { OnceCell::new() };
}

/// A handler is on this thread until this is dropped.
#[must_use]
pub(crate) struct Busy {
    /// What ran before on this thread, further down its stack.
    before: u64,
}

/// Notes that this thread runs a handler now.
pub(crate) fn busy<O: Object, H: Handler<O>>() -> Busy {
    Busy { before: note(const { tag(O::KIND, H::NAME) }) }
}

impl Drop for Busy {
    fn drop(&mut self) {
        note(self.before);
    }
}

/// Polls a handler that waits, and notes it for as long as each poll takes.
pub(crate) async fn watched<O: Object, H: Handler<O>>(
    mut future: BoxFuture<'_, Result<H::Output, Error>>,
) -> Result<H::Output, Error> {
    std::future::poll_fn(move |cx| -> Poll<_> {
        let _busy = busy::<O, H>();
        future.as_mut().poll(cx)
    })
    .await
}

/// Writes what runs from now on, and gives what ran before. A thread that ends notes nothing any more.
fn note(handler: u64) -> u64 {
    let written = NOTE.try_with(|note| {
        let note = note.get_or_init(watchdog::enroll);
        let before = note.handler.load(Relaxed);
        note.turns.store(note.turns.load(Relaxed).wrapping_add(1), Relaxed);
        note.handler.store(handler, Relaxed);
        before
    });
    written.unwrap_or_default()
}

/// A handler as a number that is not 0: its kind above, its name below.
const fn tag(kind: &str, handler: &str) -> u64 {
    (hash(kind) as u64) << 32 | hash(handler) as u64 | 1
}

/// FNV-1a.
const fn hash(text: &str) -> u32 {
    let (bytes, mut hash, mut at) = (text.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}
