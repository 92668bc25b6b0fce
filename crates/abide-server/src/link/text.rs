//! Frames of the server, written as text: states, results and changes are text already, and are passed on
//! as they are.

use abide_core::{
    ChangeRecord, Error, Json, Key, Seq, ServerFrame,
    frame::{ErrorFrame, Welcome},
};
use abide_node::Broadcast;

/// The answer to a ping.
pub(crate) const PONG: &str = r#"{"type":"pong"}"#;

pub(crate) fn welcome(welcome: Welcome) -> String {
    ServerFrame::Welcome(welcome).to_json()
}

pub(crate) fn result(n: u64, result: &Json, seq: Seq) -> String {
    let mut text = Text::new("result", result.as_str().len() + 64);
    text.number("n", n).raw("result", result.as_str()).number("seq", seq.number());
    text.end()
}

pub(crate) fn error(n: Option<u64>, error: &Error) -> String {
    ServerFrame::Error(ErrorFrame::new(n, error)).to_json()
}

/// A `present` was refused.
pub(crate) fn not_shown(n: u64, error: &Error) -> String {
    ServerFrame::Error(ErrorFrame::of_present(n, error)).to_json()
}

pub(crate) fn snapshot(n: u64, seq: Seq, state: Option<&Json>) -> String {
    let state = state.map_or("null", Json::as_str);
    let mut text = Text::new("snapshot", state.len() + 64);
    text.number("n", n).number("seq", seq.number()).raw("state", state);
    text.end()
}

pub(crate) fn reset(n: u64, reason: &str, seq: Seq, state: Option<&Json>) -> String {
    let state = state.map_or("null", Json::as_str);
    let mut text = Text::new("reset", state.len() + 96);
    text.number("n", n).text("reason", reason).number("seq", seq.number()).raw("state", state);
    text.end()
}

/// The change's own text, with `type` and `n` before its fields.
pub(crate) fn change(n: u64, change: &ChangeRecord) -> String {
    let fields = change.json.as_str().trim_start().trim_start_matches('{');
    let mut text = Text::new("change", fields.len() + 48);
    text.number("n", n).rest(fields);
    text.0
}

pub(crate) fn push(p: u64, data: &Json) -> String {
    let mut text = Text::new("push", data.as_str().len() + 48);
    text.number("p", p).raw("data", data.as_str());
    text.end()
}

pub(crate) fn broadcast(n: u64, key: &Key, broadcast: &Broadcast) -> String {
    let mut text = Text::new("broadcast", broadcast.data.as_str().len() + key.id().len() + 160);
    text.number("n", n).text("kind", key.kind().as_str()).text("id", key.id());
    if let Some(from) = &broadcast.from {
        text.text("from", from);
    }
    text.raw("data", broadcast.data.as_str());
    text.end()
}

/// `members`: what each client shows, `None` for one that has left.
pub(crate) fn presence<'m>(
    n: u64,
    whole: bool,
    members: impl IntoIterator<Item = (&'m str, Option<&'m Json>)>,
) -> String {
    let mut text = Text::new("presence", 128);
    text.number("n", n);
    if whole {
        text.raw("whole", "true");
    }
    let mut shown = String::from("{");
    for (client, data) in members {
        if shown.len() > 1 {
            shown.push(',');
        }
        push_text(&mut shown, client);
        shown.push(':');
        shown.push_str(data.map_or("null", Json::as_str));
    }
    shown.push('}');
    text.raw("members", &shown);
    text.end()
}

pub(crate) fn goaway(reconnect_in_ms: u64) -> String {
    ServerFrame::Goaway { reconnect_in_ms }.to_json()
}

/// A frame being written.
struct Text(String);

impl Text {
    fn new(name: &'static str, capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity + name.len());
        text.push_str("{\"type\":\"");
        text.push_str(name);
        text.push('"');
        Self(text)
    }

    fn name(&mut self, name: &'static str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        use std::fmt::Write;
        self.name(name);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    fn raw(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        push_text(&mut self.0, value);
        self
    }

    /// What is left of an object, after its `{`.
    fn rest(&mut self, fields: &str) {
        if !fields.trim_start().starts_with('}') {
            self.0.push(',');
        }
        self.0.push_str(fields);
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn push_text(out: &mut String, text: &str) {
    // Text always has a form in JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into()));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use abide_core::{Timestamp, frame};

    use super::*;

    fn read(text: &str) -> ServerFrame {
        ServerFrame::parse(text, 1 << 20).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn what_is_written_by_hand_is_what_the_vocabulary_writes() {
        let (seq, state) = (Seq::new(3), json(r#"{"a": 1}"#));
        let key = Key::parse("default", "Room", "a\"b\n").unwrap();
        let kind = key.kind().clone();
        let record = ChangeRecord {
            seq,
            at: Timestamp::EPOCH,
            json: json(r#"{"seq":3,"at":"1970-01-01T00:00:00.000Z","patch":{"a":1}}"#),
            snapshot: None,
        };
        let heard = Broadcast { from: Some(Arc::from("c\"1")), data: json("[1]") };
        let said = Broadcast { from: None, data: json("null") };
        let shown = [("c1", Some(json("{}"))), ("c2", None)];
        let shown = || shown.iter().map(|(client, data)| (*client, data.as_ref()));
        let members = shown().map(|(client, data)| (client.to_owned(), data.cloned().unwrap_or_else(Json::null)));
        let members: std::collections::BTreeMap<_, _> = members.collect();
        let of = |n, broadcast: &Broadcast| {
            ServerFrame::Broadcast(frame::Broadcast {
                n,
                kind: kind.clone(),
                id: key.id().to_owned(),
                from: broadcast.from.as_deref().map(ToOwned::to_owned),
                data: broadcast.data.clone(),
            })
        };
        for (text, frame) in [
            (result(1, &state, seq), ServerFrame::Result(frame::Reply { n: 1, result: state.clone(), seq })),
            (
                snapshot(2, seq, Some(&state)),
                ServerFrame::Snapshot(frame::Snapshot { n: 2, seq, state: state.clone() }),
            ),
            (snapshot(2, seq, None), ServerFrame::Snapshot(frame::Snapshot { n: 2, seq, state: Json::null() })),
            (
                reset(3, "trimmed", seq, Some(&state)),
                ServerFrame::Reset(frame::Reset { n: 3, reason: frame::ResetReason::Trimmed, seq, state }),
            ),
            (push(7, &json("\"x\"")), ServerFrame::Push { p: 7, data: json("\"x\"") }),
            (broadcast(4, &key, &heard), of(4, &heard)),
            (broadcast(5, &key, &said), of(5, &said)),
            (
                presence(6, true, shown()),
                ServerFrame::Presence(frame::Presence { n: 6, whole: true, members: members.clone() }),
            ),
            (presence(6, false, shown()), ServerFrame::Presence(frame::Presence { n: 6, whole: false, members })),
            (PONG.to_owned(), ServerFrame::Pong),
        ] {
            assert_eq!(read(&text), frame);
        }
        let ServerFrame::Change { n, change } = read(&change(9, &record)) else { panic!("it is a change") };
        assert_eq!((n, change.value()), (9, record.json.value()));
    }
}
