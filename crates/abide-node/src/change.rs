//! The wire form of changes, and which of them are kept.

use std::{collections::VecDeque, time::Duration};

use abide_core::{Event, Json, Patch, Seq, Timestamp};

use crate::object::History;

/// A change about to be written.
pub(crate) struct ChangeText<'a> {
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    pub(crate) patch: &'a Patch,
    pub(crate) events: &'a [Event],
    pub(crate) handler: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) principal: Option<&'a str>,
    pub(crate) deleted: bool,
}

impl ChangeText<'_> {
    /// `{"seq":…,"at":…,"patch":…,"cause":…}` without a detour through a tree of values.
    pub(crate) fn write(&self) -> Json {
        use std::io::Write;
        let mut out = Vec::with_capacity(256);
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{{\"seq\":{},\"at\":\"{}\",", self.seq, self.at);
        self.patch.write(&mut out);
        if !self.events.is_empty() {
            out.extend_from_slice(b",\"events\":");
            out.extend(serde_json::to_vec(self.events).unwrap_or_else(|_| b"[]".to_vec()));
        }
        out.extend_from_slice(b",\"cause\":{\"handler\":");
        push_text(&mut out, self.handler);
        if let Some(key) = self.key {
            out.extend_from_slice(b",\"key\":");
            push_text(&mut out, key);
        }
        if let Some(principal) = self.principal {
            out.extend_from_slice(b",\"principal\":");
            push_text(&mut out, principal);
        }
        out.push(b'}');
        if self.deleted {
            out.extend_from_slice(b",\"deleted\":true");
        }
        out.push(b'}');
        let text = String::from_utf8(out).unwrap_or_else(|_| unreachable!("BUG: a change is not UTF-8"));
        Json::trusted(text)
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend(serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec()));
    }
}

/// Whether any history is kept.
pub(crate) fn kept(history: History) -> bool {
    history != History::None && history != History::Changes(0)
}

/// Every how many changes a whole state is kept beside the change.
fn snapshot_every(history: History) -> u64 {
    match history {
        History::None => 0,
        History::Changes(n) => (n / 4).clamp(1, 64),
        History::For(_) | History::All => 64,
    }
}

/// Whether the change `seq` is kept with a snapshot.
pub(crate) fn snapshot_due(history: History, seq: Seq) -> bool {
    let every = snapshot_every(history);
    every > 0 && (seq.number() - 1).is_multiple_of(every)
}

/// Changes at or below what may be dropped now: always just before a kept snapshot.
pub(crate) fn trim_below(
    history: History,
    head: Seq,
    marks: Option<&VecDeque<(Seq, Timestamp)>>,
    now: Timestamp,
) -> Option<Seq> {
    match history {
        History::None | History::All => None,
        History::Changes(n) => {
            let every = snapshot_every(history);
            let due = snapshot_due(history, head) && head.number() > n;
            due.then(|| Seq::new((head.number() - n) / every * every))
        }
        History::For(age) => oldest_kept(marks?, now, age),
    }
}

/// The last change before the youngest snapshot that is older than `age`.
fn oldest_kept(marks: &VecDeque<(Seq, Timestamp)>, now: Timestamp, age: Duration) -> Option<Seq> {
    let old = marks.iter().take_while(|(_, at)| now.since(*at) > age).last()?;
    Some(old.0.minus(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trim_leaves_at_least_the_history_and_starts_at_a_snapshot() {
        for n in [1u64, 3, 10, 100, 1000, 5000] {
            let history = History::Changes(n);
            let mut floor = 0;
            for head in 1..4 * n + 200 {
                if let Some(trim) = trim_below(history, Seq::new(head), None, Timestamp::EPOCH) {
                    assert!(trim.number() >= floor, "history {n}, head {head}");
                    floor = trim.number();
                    assert!(snapshot_due(history, Seq::new(floor + 1)), "history {n}, floor {floor}");
                }
                assert!(head - floor >= n.min(head), "history {n}, head {head}, floor {floor}");
                assert!(head - floor <= n + 2 * 64, "history {n}, head {head}, floor {floor}");
            }
        }
    }

    #[test]
    fn the_wire_form_is_json_whatever_the_texts_are() {
        let patch = Patch::default();
        let text = ChangeText {
            seq: Seq::new(3),
            at: Timestamp::EPOCH,
            patch: &patch,
            events: &[],
            handler: "do\"it",
            key: Some("a\n🦀"),
            principal: None,
            deleted: true,
        };
        let change: abide_core::Change = text.write().decode().unwrap();
        assert_eq!((change.cause.handler.as_str(), change.cause.key.as_deref()), ("do\"it", Some("a\n🦀")));
        assert!(change.deleted);
    }
}
