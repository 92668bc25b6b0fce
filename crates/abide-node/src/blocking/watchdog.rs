use std::{
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Note, hash,
    patience::{Patience, Shown},
    tag,
};
use crate::{kind::KindEntry, node::NodeCore};

/// How often the threads are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How many objects are looked for that may be the one that blocks.
const CANDIDATES_MAX: usize = 8;

static WATCHDOG: Mutex<Watchdog> = Mutex::new(Watchdog { threads: Vec::new(), nodes: Vec::new(), is_running: false });

/// What is looked at, in the whole process.
struct Watchdog {
    threads: Vec<Watched>,
    nodes: Vec<Weak<NodeCore>>,
    is_running: bool,
}

/// A thread that has run handlers.
struct Watched {
    note: Arc<Note>,
    patience: Patience,
}

/// Which handler it is, as far as that can be told.
#[derive(Debug, Default)]
struct Suspect {
    kind: String,
    handler: String,
    object: String,
}

/// Makes this thread known.
pub(super) fn enroll() -> Arc<Note> {
    let note = Arc::new(Note::default());
    WATCHDOG.lock().threads.push(Watched { note: note.clone(), patience: Patience::default() });
    note
}

/// Watches the handlers of a node from now on, for as long as it is there.
pub(crate) fn watch(node: &Arc<NodeCore>) {
    let mut watchdog = WATCHDOG.lock();
    watchdog.nodes.retain(|node| node.strong_count() > 0);
    watchdog.nodes.push(Arc::downgrade(node));
    if watchdog.is_running {
        return;
    }
    let started = thread::Builder::new().name("abide-watchdog".into()).spawn(look_for_ever);
    watchdog.is_running = started.is_ok();
    if let Err(error) = started {
        tracing::warn!(%error, "no thread for the watchdog: handlers that block will not be reported");
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do, and no runtime to be held up")]
fn look_for_ever() {
    loop {
        thread::sleep(EVERY);
        let mut watchdog = WATCHDOG.lock();
        watchdog.nodes.retain(|node| node.strong_count() > 0);
        if watchdog.nodes.is_empty() {
            watchdog.is_running = false;
            return;
        }
        let shown = watchdog.look();
        let nodes = if shown.is_empty() { Vec::new() } else { watchdog.nodes.clone() };
        drop(watchdog);
        shown.into_iter().for_each(|shown| report(&nodes, shown));
    }
}

impl Watchdog {
    /// Looks at every thread once; forgets those that have ended.
    fn look(&mut self) -> Vec<Shown> {
        self.threads.retain(|thread| Arc::strong_count(&thread.note) > 1);
        let look = |thread: &mut Watched| {
            let (handler, turn) = (thread.note.handler.load(Relaxed), thread.note.turns.load(Relaxed));
            match thread.patience.look(handler, turn) {
                Shown::Nothing => None,
                shown => Some(shown),
            }
        };
        self.threads.iter_mut().filter_map(look).collect()
    }
}

fn report(nodes: &[Weak<NodeCore>], shown: Shown) {
    let seconds = |looks: u32| (EVERY * looks).as_secs_f64();
    match shown {
        Shown::Nothing => {}
        Shown::Blocks { handler, looks, first } => {
            let Suspect { kind, handler, object } = suspect(nodes, handler);
            tracing::warn!(
                kind,
                handler,
                object,
                for_seconds = seconds(looks),
                "a handler blocks its thread: nothing else runs there until it is back; let it wait with `.await`, \
                 or move the work to `spawn_blocking`"
            );
            if first {
                metrics::counter!("abide_turns_blocked_total", "kind" => kind, "handler" => handler).increment(1);
            }
        }
        Shown::Back { handler, looks } => {
            let Suspect { kind, handler, .. } = suspect(nodes, handler);
            tracing::warn!(kind, handler, after_seconds = seconds(looks), "a handler that blocked is back");
        }
    }
}

/// Finds out which handler has this tag. A thread notes no object, as that would cost every turn something;
/// if only one of the kind is busy, that is it.
fn suspect(nodes: &[Weak<NodeCore>], noted: u64) -> Suspect {
    let mut found = Suspect { kind: "unknown".into(), handler: "unknown".into(), object: "unknown".into() };
    for node in nodes.iter().filter_map(Weak::upgrade) {
        for kind in node.kinds.all().into_iter().filter(|kind| hash(kind.name.as_str()) == (noted >> 32) as u32) {
            let handler = kind.handler_names().find(|name| tag(kind.name.as_str(), name) == noted);
            let Some(handler) = handler else { continue };
            (found.kind, found.handler) = (kind.name.to_string(), handler.to_owned());
            let busy = busy_objects(&node, kind);
            match busy.as_slice() {
                [] => {}
                [one] => found.object.clone_from(one),
                several => found.object = format!("one of {}", several.join(", ")),
            }
        }
    }
    found
}

fn busy_objects(node: &NodeCore, kind: &Arc<KindEntry>) -> Vec<String> {
    let mut busy = Vec::new();
    node.each_activation(|activation| {
        if busy.len() < CANDIDATES_MAX && Arc::ptr_eq(&activation.kind, kind) && activation.is_busy() {
            busy.push(activation.key.to_string());
        }
    });
    busy
}
