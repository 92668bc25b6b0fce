use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Kind, Namespace, Seq};

const MAX: usize = FRAME_BYTES_MAX_DEFAULT;

fn client(frame: &Value) -> ClientFrame {
    ClientFrame::parse(&frame.to_string(), MAX).unwrap_or_else(|error| panic!("{frame}: {error}"))
}

fn server(frame: &Value) -> ServerFrame {
    ServerFrame::parse(&frame.to_string(), MAX).unwrap_or_else(|error| panic!("{frame}: {error}"))
}

#[test]
fn every_client_frame_of_the_manual_is_read_and_written() {
    for frame in [
        json!({"type": "hello", "proto": 1}),
        json!({"type": "hello", "proto": 1, "token": "t", "client": "c"}),
        json!({"type": "hello", "proto": 1, "client": "c", "resume": "c.secret", "pushed": 7, "session": "Visitor"}),
        json!({"type": "call", "n": 1, "kind": "Counter", "id": "a/b", "handler": "increment", "args": {"amount": 5}}),
        json!({"type": "call", "n": 2, "kind": "Counter", "id": "a", "handler": "get", "args": null,
            "key": "order-77", "timeout_ms": 2000}),
        json!({"type": "cancel", "n": 1}),
        json!({"type": "watch", "n": 3, "kind": "Counter", "id": "a"}),
        json!({"type": "watch", "n": 3, "kind": "Counter", "id": "a", "after": 12}),
        json!({"type": "watch", "n": 3, "kind": "Counter", "id": "a", "presence": true}),
        json!({"type": "unwatch", "n": 3}),
        json!({"type": "send", "kind": "Room", "id": "r", "data": {"typing": true}}),
        json!({"type": "send", "n": 5, "kind": "Room", "id": "r", "data": {"typing": true}}),
        json!({"type": "present", "n": 3, "data": {"name": "Ada"}}),
        json!({"type": "present", "n": 3, "data": null}),
        json!({"type": "sync", "n": 4, "body": []}),
        json!({"type": "ping"}),
        json!({"type": "bye"}),
        json!({"type": "get", "n": 1, "kind": "Counter", "id": "a"}),
        json!({"type": "get", "n": 1, "kind": "Counter", "id": "a", "at": 7}),
        json!({"type": "delete", "n": 1, "kind": "Counter", "id": "a"}),
        json!({"type": "list", "n": 1, "kind": "Counter"}),
        json!({"type": "list", "n": 1, "kind": "Counter", "prefix": "a", "where": "count > 5", "order": "-count",
            "cursor": "x", "limit": 9}),
    ] {
        let written: Value = serde_json::from_str(&client(&frame).to_json()).unwrap();
        assert_eq!(written, frame);
        assert_eq!(client(&frame).n(), frame["n"].as_u64());
    }
}

#[test]
fn every_server_frame_of_the_manual_is_read_and_written() {
    for frame in [
        json!({"type": "welcome", "client": "c", "server": "node-1", "proto": 1,
            "limits": {"frame_bytes": 1_048_576, "calls": 100, "watches": 1000}}),
        json!({"type": "welcome", "client": "c", "principal": {"subject": "alice", "namespace": "acme"},
            "server": "node-1", "proto": 1, "limits": {"frame_bytes": 1_048_576, "calls": 100, "watches": 1000}}),
        json!({"type": "welcome", "client": "c", "resume": "c.secret", "resumed": true, "missed": 2, "grace_ms": 30000,
            "session": "Visitor", "server": "node-1", "proto": 1,
            "limits": {"frame_bytes": 1_048_576, "calls": 100, "watches": 1000}}),
        json!({"type": "result", "n": 1, "result": 5, "seq": 12}),
        json!({"type": "error", "n": 1, "code": "rejected", "detail": "no", "retryable": false, "data": {"missing": 3}}),
        json!({"type": "error", "code": "bad_request", "detail": "no", "retryable": false}),
        json!({"type": "error", "n": 1, "code": "unavailable", "detail": "no", "retryable": true,
            "maybe_applied": true, "retry_after_ms": 500}),
        json!({"type": "error", "n": 3, "present": true, "code": "overloaded", "detail": "no", "retryable": true}),
        json!({"type": "snapshot", "n": 3, "seq": 12, "state": {"count": 5}}),
        json!({"type": "change", "n": 3, "seq": 13, "at": "2026-01-02T03:04:05.678Z", "patch": {"count": 6}}),
        json!({"type": "reset", "n": 3, "reason": "trimmed", "seq": 40, "state": null}),
        json!({"type": "push", "p": 1, "data": "hi"}),
        json!({"type": "presence", "n": 3, "whole": true, "members": {"c": {"name": "Ada"}}}),
        json!({"type": "presence", "n": 3, "members": {"c": null}}),
        json!({"type": "broadcast", "n": 3, "kind": "Room", "id": "r", "from": "c", "data": {"typing": true}}),
        json!({"type": "sync", "n": 4, "body": {"to": 5}}),
        json!({"type": "goaway", "reconnect_in_ms": 250}),
        json!({"type": "pong"}),
    ] {
        let written: Value = serde_json::from_str(&server(&frame).to_json()).unwrap();
        assert_eq!(written, frame);
        assert_eq!(server(&frame).n(), frame["n"].as_u64());
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_unread() {
    let text = format!(r#"{{"type":"ping","pad":"{}"}}"#, "x".repeat(100));
    assert!(ClientFrame::parse(&text, text.len()).is_ok());
    let error = ClientFrame::parse(&text, 99).unwrap_err();
    assert_eq!(error, FrameError::TooLarge { bytes: text.len(), max: 99 });
    assert_eq!(Error::from(error).code(), Code::TooLarge);
}

#[test]
fn an_unknown_frame_is_refused_with_those_there_are() {
    let error = ClientFrame::parse(r#"{"type":"result","n":1}"#, MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no frame \"result\"; the frames are hello, call, cancel, get, delete, list, watch, unwatch, send, \
         present, sync, ping, bye"
    );
    let long = json!({"type": "x".repeat(10_000)}).to_string();
    assert!(ServerFrame::parse(&long, MAX).unwrap_err().to_string().len() < 400);
}

#[test]
fn what_is_no_frame_is_refused_with_the_reason() {
    for (text, hint) in [
        ("", "EOF"),
        ("[]", "\"type\""),
        ("5", "\"type\""),
        ("{}", "missing field `type`"),
        (r#"{"type":1}"#, "string"),
        (r#"{"type":"ping","type":"ping"}"#, "duplicate field"),
        (r#"{"type":"ping"} {}"#, "trailing"),
        (r#"{"type":"call","n":1}"#, "the call frame cannot be read: missing field `kind`"),
        (r#"{"type":"cancel","n":-1}"#, "the cancel frame"),
        (r#"{"type":"watch","n":1,"kind":"a/b","id":"x"}"#, "a/b"),
    ] {
        let error = ClientFrame::parse(text, MAX).expect_err(text);
        assert!(error.to_string().contains(hint), "{text}: {error}");
        assert_eq!(Error::from(error).code(), Code::BadRequest);
    }
}

#[test]
fn fields_of_newer_peers_are_passed_over() {
    assert_eq!(client(&json!({"type": "ping", "since": 5})), ClientFrame::Ping);
    let reset = json!({"type": "reset", "n": 1, "reason": "phase_of_the_moon", "seq": 1, "state": {}});
    let ServerFrame::Reset(reset) = server(&reset) else { panic!("it is a reset") };
    assert_eq!(reset.reason, ResetReason::Other);
}

#[test]
fn arguments_are_kept_as_they_were_written() {
    let text =
        r#"{"type":"call","n":1,"kind":"K","id":"a","handler":"h","args":[1.10, 123456789012345678901234567890]}"#;
    let Ok(ClientFrame::Call(call)) = ClientFrame::parse(text, MAX) else { panic!("it is a call") };
    assert_eq!(call.args.as_str(), "[1.10, 123456789012345678901234567890]");
    assert!(ClientFrame::Call(call).to_json().contains("1.10, 123456789012345678901234567890"));
}

#[test]
fn a_call_is_the_same_however_its_fields_are_ordered() {
    let first = r#"{"type":"call","n":1,"kind":"K","id":"a\"b","handler":"h","args":{"a":[1]},"key":"k","timeout_ms":5,"new":{}}"#;
    let last = r#"{"n":1,"new":{},"kind":"K","id":"a\u0022b","handler":"h","args":{"a":[1]},"key":"k","timeout_ms":5,"type":"call"}"#;
    assert_eq!(ClientFrame::parse(first, MAX), ClientFrame::parse(last, MAX));
    assert!(matches!(ClientFrame::parse(first, MAX), Ok(ClientFrame::Call(call)) if call.id == "a\"b"));
    let none = r#"{"type":"call","n":1,"kind":"K","id":"a","handler":"h"}"#;
    let null = r#"{"kind":"K","id":"a","handler":"h","n":1,"args":null,"key":null,"timeout_ms":null,"type":"call"}"#;
    assert_eq!(ClientFrame::parse(none, MAX), ClientFrame::parse(null, MAX));
    assert!(matches!(ClientFrame::parse(none, MAX), Ok(ClientFrame::Call(call)) if call.args == Json::null()));
}

#[test]
fn a_call_that_begins_well_is_refused_with_the_reason_all_the_same() {
    for (rest, hint) in [
        (r#""n":1}"#, "missing field `kind`"),
        (r#""type":"ping"}"#, "duplicate field"),
        (r#""n":1,"kind":"a/b","id":"x","handler":"h"}"#, "a/b"),
        (r#""n":1,"kind":"K","id":"x","handler":"h","args":{"#, "EOF"),
        (r#""n":1,"kind":"K","id":"x","handler":"h"} {}"#, "trailing"),
    ] {
        let error = ClientFrame::parse(&format!(r#"{{"type":"call",{rest}"#), MAX).expect_err(rest);
        assert!(error.to_string().contains(hint), "{rest}: {error}");
    }
    let long = format!(r#"{{"type":"call","n":1,"kind":"K","id":"a","handler":"h","args":["{}"]}}"#, "x".repeat(100));
    assert!(matches!(ClientFrame::parse(&long, 99), Err(FrameError::TooLarge { .. })));
}

#[test]
fn a_token_is_not_printed() {
    let hello = client(&json!({"type": "hello", "proto": 1, "token": "secret", "resume": "secret"}));
    assert!(!format!("{hello:?}").contains("secret"));
    let welcome = server(&json!({"type": "welcome", "client": "c", "resume": "secret", "server": "s", "proto": 1,
        "limits": {"frame_bytes": 1, "calls": 1, "watches": 1}}));
    assert!(!format!("{welcome:?}").contains("secret"));
}

#[test]
fn an_error_crosses_the_wire_whole() {
    let error = Error::unavailable("the store is away")
        .maybe_applied(true)
        .retry_after(std::time::Duration::from_millis(250))
        .with_data(json!({"a": 1}));
    let frame = ServerFrame::Error(ErrorFrame::new(Some(7), &error));
    let Ok(ServerFrame::Error(read)) = ServerFrame::parse(&frame.to_json(), MAX) else { panic!("it is an error") };
    assert_eq!(Error::from(read), error);
}

fn jsons() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    });
    value.prop_map(|value| Json::of(&value).expect("it is JSON"))
}

fn kinds() -> impl Strategy<Value = Kind> {
    "[A-Z][a-zA-Z0-9_.-]{0,6}".prop_map(|text| Kind::new(&text).expect("it is a kind"))
}

fn client_frames() -> impl Strategy<Value = ClientFrame> {
    let some = || proptest::option::of(".{0,8}");
    prop_oneof![
        (any::<u32>(), some(), some(), some(), any::<Option<u64>>(), proptest::option::of(kinds())).prop_map(
            |(proto, token, client, resume, pushed, session)| {
                ClientFrame::Hello(Hello { proto, token, client, resume, pushed, session })
            }
        ),
        (any::<u64>(), kinds(), ".{1,8}", "[a-z_]{1,8}", jsons(), some(), any::<Option<u64>>()).prop_map(
            |(n, kind, id, handler, args, key, timeout_ms)| {
                ClientFrame::Call(Call { n, kind, id, handler, args, key, timeout_ms })
            }
        ),
        any::<u64>().prop_map(|n| ClientFrame::Cancel { n }),
        (any::<u64>(), kinds(), ".{1,8}", any::<Option<u64>>()).prop_map(|(n, kind, id, at)| ClientFrame::Get(Get {
            n,
            kind,
            id,
            at: at.map(Seq::new)
        })),
        (any::<u64>(), kinds(), ".{1,8}").prop_map(|(n, kind, id)| ClientFrame::Delete(Delete { n, kind, id })),
        (any::<u64>(), kinds(), some(), some(), some(), some(), any::<Option<u64>>()).prop_map(
            |(n, kind, prefix, filter, order, cursor, limit)| {
                ClientFrame::List(List { n, kind, prefix, filter, order, cursor, limit })
            }
        ),
        (any::<u64>(), kinds(), ".{1,8}", any::<Option<u64>>(), any::<bool>()).prop_map(
            |(n, kind, id, after, presence)| {
                ClientFrame::Watch(Watch { n, kind, id, after: after.map(Seq::new), presence })
            }
        ),
        any::<u64>().prop_map(|n| ClientFrame::Unwatch { n }),
        (any::<Option<u64>>(), kinds(), ".{1,8}", jsons())
            .prop_map(|(n, kind, id, data)| ClientFrame::Send(Ephemeral { n, kind, id, data })),
        (any::<u64>(), jsons()).prop_map(|(n, data)| ClientFrame::Present(Present { n, data })),
        Just(ClientFrame::Bye),
        (any::<u64>(), jsons()).prop_map(|(n, body)| ClientFrame::Sync(SyncFrame { n, body })),
        Just(ClientFrame::Ping),
    ]
}

fn server_frames() -> impl Strategy<Value = ServerFrame> {
    let seqs = || any::<u64>().prop_map(Seq::new);
    let reasons = prop::sample::select(vec![
        ResetReason::Trimmed,
        ResetReason::Ahead,
        ResetReason::Recreated,
        ResetReason::Other,
    ]);
    let changes = prop::collection::btree_map("seq|at|patch|x", any::<i64>(), 0..4)
        .prop_map(|fields| Json::of(&fields).expect("it is JSON"));
    prop_oneof![
        (".{0,8}", ".{0,8}", any::<u32>(), any::<(u64, u64, u64, bool)>(), proptest::option::of(kinds())).prop_map(
            |(client, server, proto, (a, b, c, resumed), session)| {
                let limits = Limits { frame_bytes: a, calls: b, watches: c, timeout_ms: a ^ b };
                let (resume, missed, grace_ms) = (server.clone(), a, b);
                let namespace = Namespace::default();
                let principal = resumed.then(|| Identity { subject: server.clone(), namespace });
                ServerFrame::Welcome(Welcome {
                    client,
                    principal,
                    resume,
                    resumed,
                    missed,
                    grace_ms,
                    session,
                    server,
                    proto,
                    limits,
                })
            }
        ),
        (any::<u64>(), jsons(), seqs()).prop_map(|(n, result, seq)| ServerFrame::Result(Reply { n, result, seq })),
        (any::<Option<u64>>(), prop::sample::select(Code::ALL.to_vec()), ".{0,8}", any::<(bool, bool, bool)>())
            .prop_map(|(n, code, detail, (present, retryable, maybe_applied))| {
                let (retry_after_ms, data) = (n, n.map(Value::from));
                ServerFrame::Error(ErrorFrame {
                    n,
                    present,
                    code,
                    detail,
                    retryable,
                    maybe_applied,
                    retry_after_ms,
                    data,
                })
            }),
        (any::<u64>(), seqs(), jsons()).prop_map(|(n, seq, state)| ServerFrame::Snapshot(Snapshot { n, seq, state })),
        (any::<u64>(), changes).prop_map(|(n, change)| ServerFrame::Change { n, change }),
        (any::<u64>(), reasons, seqs(), jsons())
            .prop_map(|(n, reason, seq, state)| { ServerFrame::Reset(Reset { n, reason, seq, state }) }),
        (any::<u64>(), jsons()).prop_map(|(p, data)| ServerFrame::Push { p, data }),
        (any::<u64>(), kinds(), ".{1,8}", proptest::option::of(".{0,8}"), jsons())
            .prop_map(|(n, kind, id, from, data)| ServerFrame::Broadcast(Broadcast { n, kind, id, from, data })),
        (any::<u64>(), any::<bool>(), prop::collection::btree_map(".{0,4}", jsons(), 0..3))
            .prop_map(|(n, whole, members)| ServerFrame::Presence(Presence { n, whole, members })),
        (any::<u64>(), jsons()).prop_map(|(n, body)| ServerFrame::Sync(SyncFrame { n, body })),
        any::<u64>().prop_map(|reconnect_in_ms| ServerFrame::Goaway { reconnect_in_ms }),
        Just(ServerFrame::Pong),
    ]
}

/// The same frame, with the members of a change in one order: which one they have means nothing.
fn sorted(frame: ServerFrame) -> ServerFrame {
    match frame {
        ServerFrame::Change { n, change } => {
            let fields: BTreeMap<String, Value> = change.decode().expect("a change is an object");
            ServerFrame::Change { n, change: Json::of(&fields).expect("it is JSON") }
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn a_client_frame_is_read_back_as_it_was_written(frame in client_frames()) {
        prop_assert_eq!(ClientFrame::parse(&frame.to_json(), MAX), Ok(frame));
    }

    #[test]
    fn a_server_frame_is_read_back_as_it_was_written(frame in server_frames()) {
        prop_assert_eq!(ServerFrame::parse(&frame.to_json(), MAX).map(sorted), Ok(sorted(frame)));
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in ".{0,60}", frame in client_frames(), cut in 0..80usize) {
        let _ = (ClientFrame::parse(&text, MAX), ServerFrame::parse(&text, MAX));
        let written = frame.to_json();
        let cut: String = written.chars().take(cut).collect();
        prop_assert!(cut == written || ClientFrame::parse(&cut, MAX).is_err());
    }
}
