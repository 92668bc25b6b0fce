//! The audit log: who looked after the node, deleted something or entered another tenant, and who tried to.
//!
//! Nobody waits for it. What it holds, how fast refused acts fill it and how large its file grows are all
//! limited; what is left out is counted, and the log says how many.

mod options;
mod queue;
mod writer;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use abide_core::{Clock, Error, Namespace, Result};
use abide_node::SystemClock;
use serde_json::json;

pub use self::options::AuditOptions;
use self::queue::Queue;
use crate::{
    Caller, Rate,
    rate::{Throttle, network},
};

/// How many refused acts of one caller are written down in a second, and at once.
const REFUSED: (NonZeroU32, NonZeroU32) = (NonZeroU32::MIN, NonZeroU32::new(20).expect("it is not zero"));

/// The longest text of an act that is written down, in characters.
const TEXT_MAX: usize = 600;

/// Where acts are written down: the log, under the target `abide::audit`, and a file if there is one.
///
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    file: Option<Arc<Queue>>,
    refused: Arc<Throttle>,
}

/// An act, or an attempt.
#[derive(Clone, Copy, Debug)]
struct Act<'a> {
    who: &'a str,
    home: &'a Namespace,
    from: &'a str,
    namespace: &'a Namespace,
    act: &'a str,
    what: &'a str,
    allowed: bool,
}

impl Audit {
    /// Appends to the file of these options.
    ///
    /// # Errors
    /// `bad_request` if it cannot be opened.
    pub(crate) fn new(options: Option<&AuditOptions>) -> Result<Self> {
        let open = |options: &AuditOptions| {
            Queue::open(options).map(Arc::new).map_err(|error| {
                Error::bad_request(format!("the audit log {} cannot be opened: {error}", options.file.display()))
            })
        };
        let (count, burst) = REFUSED;
        let refused = Throttle::new(Rate::new(count, Duration::from_secs(1)).burst(burst));
        Ok(Self { file: options.map(open).transpose()?, refused: Arc::new(refused) })
    }

    /// Writes down an act of a caller, or that it was refused.
    pub(crate) fn record(&self, caller: &Caller, act: &str, what: &str, allowed: bool) {
        let principal = caller.principal();
        let (who, home) = (principal.map_or("nobody asked", |known| &known.subject), Namespace::default());
        let home = principal.map_or(&home, |known| &known.namespace);
        let from = caller.address().map_or_else(|| "this process".into(), |address| address.to_string());
        if !allowed && !self.refused.check(&(caller.address().map(network), who, home)) {
            self.leave_out();
            return;
        }
        self.write(&Act { who, home, from: &from, namespace: caller.namespace(), act, what: &short(what), allowed });
    }

    /// Writes down what the node did by itself, and whether it could.
    pub(crate) fn record_own(&self, from: &str, act: &str, what: &str, done: bool) {
        let home = Namespace::default();
        self.write(&Act { who: "node", home: &home, from, namespace: &home, act, what: &short(what), allowed: done });
    }

    /// Waits until what was written down is in the file, at most so long.
    pub(crate) async fn finish(&self, patience: Duration) {
        if let Some(file) = &self.file {
            file.finish(patience).await;
        }
    }

    fn write(&self, act: &Act<'_>) {
        let Act { who, home, from, namespace, act: name, what, allowed } = *act;
        tracing::info!(target: "abide::audit", who, %home, from, %namespace, act = name, what, allowed, "audit");
        let Some(file) = &self.file else { return };
        let at = SystemClock.now();
        let line = json!({
            "at": at, "who": who, "home": home, "from": from, "namespace": namespace, "act": name, "what": what,
            "allowed": allowed,
        });
        file.put(line.to_string(), allowed);
    }

    fn leave_out(&self) {
        match &self.file {
            Some(file) => file.leave_out(1),
            None => queue::count_left_out(1),
        }
    }
}

/// What callers name can be long.
fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
