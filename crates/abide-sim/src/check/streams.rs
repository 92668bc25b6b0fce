//! A watcher's stream of changes is dense, or says `reset`, and leads to the object's state.

use serde_json::Value;

use super::violation::{Fault, Finding, Promise, Violation};

/// How many differing places of two states are printed.
const DIFFERENCES_PRINTED: usize = 5;

/// What one watcher started from and received, in the order it received it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Who watched; for the reader.
    pub watcher: String,
    /// The seq of the state it started from.
    pub seq: u64,
    /// The state it started from.
    pub state: Value,
    /// What it received.
    pub items: Vec<StreamItem>,
}

/// Something a watcher received.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamItem {
    /// A change, to be applied to the state so far.
    Change {
        /// Its position in the object's log.
        seq: u64,
        /// What it does to the state.
        patch: Value,
    },
    /// The stream goes on from another state.
    Reset {
        /// The seq of that state.
        seq: u64,
        /// The state.
        state: Value,
    },
}

/// Checks what a watcher of `object` received against the object's final `seq` and `state`, with
/// `apply` as the meaning of a patch (it changes the state, or says why it cannot). To be used when
/// nothing is under way any more. States are compared only if the seqs are in order.
///
/// # Errors
/// A [`Violation`] with these faults:
/// - [`Fault::Gap`]: a change that is not the next one, without a reset before it.
/// - [`Fault::Duplicate`]: a change with the seq of the one before it.
/// - [`Fault::OutOfOrder`]: a change or a reset that goes back behind what was already received.
/// - [`Fault::Missing`]: the stream ends before the object's last change.
/// - [`Fault::Invented`]: the stream goes beyond the object's last change.
/// - [`Fault::WrongState`]: a patch does not apply, or what all patches make is not the final state.
pub fn check(
    object: &str,
    watch: &Watch,
    seq: u64,
    state: &Value,
    apply: impl Fn(&mut Value, &Value) -> Result<(), String>,
) -> Result<(), Violation> {
    let mut view = View { seq: watch.seq, state: watch.state.clone(), findings: Vec::new() };
    for (at, item) in watch.items.iter().enumerate() {
        view.receive(at, item, &apply);
    }
    view.check_end(watch.items.len(), seq, state);
    let name = format!("{object}, watched by {}", watch.watcher);
    let finding =
        |(fault, evidence)| Finding { promise: Promise::GapFreeStreams, fault, object: name.clone(), evidence };
    Violation::unless_empty(view.findings.into_iter().map(finding).collect())
}

/// The plain patch: an object whose fields replace the state's fields, `null` included. Good as the
/// `apply` of [`check`] for objects without collection fields.
///
/// # Errors
/// If the state or the patch is not an object; the state is then as it was.
pub fn replace_fields(state: &mut Value, patch: &Value) -> Result<(), String> {
    match (state, patch) {
        (Value::Object(state), Value::Object(patch)) => {
            state.extend(patch.iter().map(|(field, value)| (field.clone(), value.clone())));
            Ok(())
        }
        (state, patch) => Err(format!("patch {patch} does not fit state {state}: both must be objects")),
    }
}

/// What a watcher believes.
struct View {
    seq: u64,
    state: Value,
    findings: Vec<(Fault, String)>,
}

impl View {
    fn receive(&mut self, at: usize, item: &StreamItem, apply: &impl Fn(&mut Value, &Value) -> Result<(), String>) {
        let (last, item_no) = (self.seq, at + 1);
        match item {
            StreamItem::Change { seq, patch } => {
                let seq = *seq;
                if seq == last {
                    self.add(Fault::Duplicate, format!("item {item_no} is change {seq} again"));
                } else if seq < last {
                    self.add(Fault::OutOfOrder, format!("item {item_no} is change {seq}, after {last}"));
                } else if seq > last + 1 {
                    let expected = last + 1;
                    self.add(Fault::Gap, format!("item {item_no} is change {seq}, expected {expected} or a reset"));
                }
                if let Err(why) = apply(&mut self.state, patch)
                    && self.findings.is_empty()
                {
                    self.add(Fault::WrongState, format!("item {item_no}, change {seq}, does not apply: {why}"));
                }
                self.seq = last.max(seq);
            }
            StreamItem::Reset { seq, state } => {
                if *seq < last {
                    self.add(Fault::OutOfOrder, format!("item {item_no} resets to {seq}, after {last}"));
                }
                self.seq = last.max(*seq);
                self.state.clone_from(state);
            }
        }
    }

    fn check_end(&mut self, items: usize, seq: u64, state: &Value) {
        let last = self.seq;
        if last < seq {
            self.add(Fault::Missing, format!("the stream ends at {last} after {items} items, the object is at {seq}"));
        } else if last > seq {
            self.add(Fault::Invented, format!("the stream goes to {last}, the object is only at {seq}"));
        } else if self.findings.is_empty() && self.state != *state {
            let mut differences = Vec::new();
            differ("", &self.state, state, &mut differences);
            let evidence = format!("at {seq} the watcher's state is not the object's: {}", differences.join("; "));
            self.add(Fault::WrongState, evidence);
        }
    }

    fn add(&mut self, fault: Fault, evidence: String) {
        self.findings.push((fault, evidence));
    }
}

/// Collects the first places where two states differ.
fn differ(path: &str, seen: &Value, real: &Value, differences: &mut Vec<String>) {
    if seen == real || differences.len() >= DIFFERENCES_PRINTED {
        return;
    }
    if let (Value::Object(seen), Value::Object(real)) = (seen, real) {
        let added = real.keys().filter(|field| !seen.contains_key(*field));
        for field in seen.keys().chain(added) {
            let path = format!("{path}/{field}");
            match (seen.get(field), real.get(field)) {
                (Some(seen), Some(real)) => differ(&path, seen, real, differences),
                (Some(seen), None) => {
                    differences.push(format!("{path} is {seen}, should not be there"));
                }
                (None, Some(real)) => {
                    differences.push(format!("{path} is not there, should be {real}"));
                }
                (None, None) => {}
            }
        }
    } else {
        let path = if path.is_empty() { "the state" } else { path };
        differences.push(format!("{path} is {seen}, should be {real}"));
    }
}

#[cfg(test)]
mod tests;
