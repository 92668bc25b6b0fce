use proptest::prelude::*;

use super::*;
use crate::{Error, Seq, port::store::Tally};

fn key() -> impl Strategy<Value = Key> {
    ("[a-z][a-z0-9]{0,5}", "[A-Z][a-z]{0,6}", "\\PC{1,20}|a\0b|🦀")
        .prop_map(|(namespace, kind, id)| Key::parse(&namespace, &kind, &id).unwrap())
}

fn json() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just("null"),
        Just("{\"a\": 1, \"a\": 1.0e300}"),
        Just("[1,2,{\"b\":\"\\u0000\"}]"),
        Just("\"é\""),
        Just("18446744073709551616")
    ]
    .prop_map(|text| Json::parse(text).unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn object() -> impl Strategy<Value = Row> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
    (key(), numbers, moment(), moment(), prop::option::of(json())).prop_map(
        |(key, numbers, created, updated, state)| {
            let (head, floor, incarnation, version, commit_id) = numbers;
            Row::Object(Box::new(ObjectRow {
                key,
                head: Seq::new(head),
                floor: Seq::new(floor),
                incarnation: Incarnation::new(incarnation),
                state,
                version,
                created_at: created,
                updated_at: updated,
                commit_id,
            }))
        },
    )
}

fn alarm() -> impl Strategy<Value = Row> {
    let schedule = prop_oneof![
        Just(None),
        Just(Some(r#"{"once":"2026-01-02T03:04:05.678Z"}"#)),
        Just(Some(r#"{"every":{"period_ms":60000,"anchor":"2026-01-02T03:04:05.678Z"}}"#)),
        Just(Some(r#"{"cron":{"expr":"0 9 * * MON-FRI","tz":"Europe/Berlin"}}"#)),
    ];
    let rest = (any::<u64>(), any::<u32>(), schedule, prop::option::of("\\PC{0,9}"), prop::option::of(json()));
    (key(), "\\PC{1,9}", moment(), json(), rest).prop_map(|(key, name, due, payload, rest)| {
        let (token, attempt, schedule, dead, principal) = rest;
        let schedule = schedule.map(|text| serde_json::from_str(text).unwrap());
        let alarm = Alarm { name: name.into(), due, token, payload, attempt, schedule, principal, dead };
        Row::Alarm { key, alarm: Box::new(alarm) }
    })
}

fn outcome() -> impl Strategy<Value = Row> {
    let refused = Error::rejected("no").with_data(serde_json::json!({"missing": 0.1, "a": [1]}));
    let reply = prop_oneof![json().prop_map(Ok), Just(Err(refused))];
    (key(), "\\PC{0,9}", "\\PC{0,9}", any::<u64>(), moment(), reply).prop_map(
        |(key, caller, call_key, fingerprint, expires_at, reply)| {
            let (caller, call_key) = (caller.into(), call_key.into());
            let seq = Seq::new(fingerprint >> 3);
            Row::Outcome { key, outcome: Box::new(Outcome { caller, call_key, fingerprint, seq, reply, expires_at }) }
        },
    )
}

fn message() -> impl Strategy<Value = Row> {
    (key(), any::<u64>(), key(), "\\PC{1,9}", json(), prop::option::of(json()), moment()).prop_map(
        |(sender, n, target, handler, args, principal, at)| {
            let id = MessageId { sender, n };
            Row::Message(Box::new(OutboxMessage { id, target, handler: handler.into(), args, principal, at }))
        },
    )
}

fn row() -> impl Strategy<Value = Row> {
    let change =
        (key(), any::<u64>(), moment(), json(), prop::option::of(json())).prop_map(|(key, seq, at, json, snapshot)| {
            Row::Change { key, change: ChangeRecord { seq: Seq::new(seq), at, json, snapshot } }
        });
    let received = (key(), key(), any::<u64>()).prop_map(|(key, sender, n)| Row::Received { key, sender, n });
    prop_oneof![object(), change, alarm(), received, outcome(), message()]
}

fn bytes(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::new();
    row.write(&mut bytes);
    bytes
}

fn tally(rows: &[Row]) -> Tally {
    rows.iter().fold(Tally::default(), |mut tally, row| {
        tally.add(row, &bytes(row));
        tally
    })
}

proptest! {
    #[test]
    fn rows_are_read_as_they_were_written(rows in prop::collection::vec(row(), 0..8)) {
        let mut out = Vec::new();
        for row in &rows {
            row.write(&mut out);
        }
        let mut rest = out.as_slice();
        for row in &rows {
            prop_assert_eq!(&Row::read(&mut rest).unwrap(), row);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_row_that_is_cut_short_is_none(row in row()) {
        let bytes = bytes(&row);
        for end in 0..bytes.len() {
            prop_assert!(Row::read(&mut &bytes[..end]).is_err(), "{} of {}", end, bytes.len());
        }
    }

    #[test]
    fn whatever_is_read_is_written_the_same(noise in prop::collection::vec(any::<u8>(), 0..40), row in row()) {
        let mut bytes = bytes(&row);
        for (place, byte) in noise.iter().enumerate().filter(|(place, _)| place % 5 == 0) {
            let length = bytes.len();
            bytes[place * 7 % length] = *byte;
        }
        for bytes in [&noise, &bytes] {
            let mut rest = bytes.as_slice();
            if let Ok(row) = Row::read(&mut rest) {
                prop_assert_eq!(Row::read(&mut self::bytes(&row).as_slice()), Ok(row));
            }
        }
    }

    #[test]
    fn a_tally_knows_rows_and_not_their_order(mut rows in prop::collection::vec(row(), 1..6)) {
        let whole = tally(&rows);
        prop_assert_eq!(whole.rows(), rows.len() as u64);
        rows.reverse();
        prop_assert_eq!(tally(&rows), whole);
        rows.pop();
        prop_assert_ne!(tally(&rows).digest, whole.digest);
    }
}

#[test]
fn a_number_has_one_form() {
    for (bytes, read) in [
        (&[0][..], Some(0)),
        (&[0x7f], Some(127)),
        (&[0x80, 1], Some(128)),
        (&[0x80, 0], None),
        (&[0x80], None),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(u64::MAX)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], None),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 1], None),
    ] {
        assert_eq!(Input(bytes).number().ok(), read, "{bytes:?}");
    }
}

#[test]
fn the_bytes_of_a_row_are_for_ever() {
    let key = Key::parse("default", "Counter", "a").unwrap();
    let change = ChangeRecord {
        seq: Seq::new(300),
        at: Timestamp::from_millis(-1),
        json: Json::trusted("{}"),
        snapshot: Some(Json::trusted("1")),
    };
    let bytes = bytes(&Row::Change { key, change });
    let expected = b"\x02\x07default\x07Counter\x01a\xac\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02{}\x01\x011";
    assert_eq!(bytes, expected);
}

#[test]
fn an_alarm_of_nobody_is_written_as_before_alarms_had_principals() {
    let key = Key::parse("default", "Counter", "a").unwrap();
    let alarm = Alarm {
        name: "ring".into(),
        due: Timestamp::from_millis(5),
        token: 7,
        payload: Json::null(),
        attempt: 1,
        schedule: None,
        principal: None,
        dead: Some("no".into()),
    };
    let of = |principal: Option<&str>| {
        let alarm = Alarm { principal: principal.map(Json::trusted), ..alarm.clone() };
        bytes(&Row::Alarm { key: key.clone(), alarm: Box::new(alarm) })
    };
    assert_eq!(of(None), b"\x03\x07default\x07Counter\x01a\x04ring\x05\x07\x04null\x01\x00\x01\x02no");
    assert_eq!(of(Some("{}")), b"\x07\x07default\x07Counter\x01a\x04ring\x05\x07\x04null\x01\x00\x01\x02no\x02{}");
}
