use abide_core::{
    Key,
    port::store::{Alarm, ObjectRow, OutboxMessage, Outcome, Row},
};

use crate::redis::{
    codec,
    indexes::Declared,
    names::{self, Names},
    state::{Layout, split},
    value,
};

/// How many fields one command sets: Lua's stack holds a few thousand values.
const FIELDS: usize = 1_000;

/// The commands that put a row where it belongs; each is its words.
pub(super) fn place(names: &Names, declared: &Declared, row: &Row) -> Vec<Vec<Vec<u8>>> {
    match row {
        Row::Object(row) => object(names, declared, row),
        Row::Change { key, change } => {
            let entry = format!("{} {}", change.at.as_millis(), change.json);
            let mut commands = vec![words([b"RPUSH", &of(names, 'c', key), entry.as_bytes()])];
            if let Some(snapshot) = &change.snapshot {
                let member = format!("{}:{snapshot}", change.seq);
                let score = names::score(change.seq).to_string();
                commands.push(words([b"ZADD", &of(names, 'n', key), score.as_bytes(), member.as_bytes()]));
            }
            commands.push(words([b"HINCRBY", &of_part(names, key, "meta"), b"changes", b"1"]));
            commands
        }
        Row::Alarm { key, alarm } => place_alarm(names, key, alarm),
        Row::Received { key, sender, n } => {
            vec![words([b"HSET", &of(names, 'r', key), names::name(sender).as_bytes(), format!("{n:020}").as_bytes()])]
        }
        Row::Outcome { key, outcome } => place_outcome(names, key, outcome),
        Row::Message(message) => place_message(names, message),
    }
}

/// Whose part a row is in.
pub(super) fn key_of(row: &Row) -> &Key {
    match row {
        Row::Object(row) => &row.key,
        Row::Change { key, .. } | Row::Alarm { key, .. } | Row::Received { key, .. } | Row::Outcome { key, .. } => key,
        Row::Message(message) => &message.id.sender,
    }
}

fn words<const N: usize>(words: [&[u8]; N]) -> Vec<Vec<u8>> {
    words.into_iter().map(<[u8]>::to_vec).collect()
}

fn of(names: &Names, letter: char, key: &Key) -> Vec<u8> {
    names.of(letter, key).into_bytes()
}

fn of_part(names: &Names, key: &Key, what: &str) -> Vec<u8> {
    format!("{}:{what}", names.tag(names.part(key))).into_bytes()
}

fn object(names: &Names, declared: &Declared, row: &ObjectRow) -> Vec<Vec<Vec<u8>>> {
    let key = &row.key;
    let name = names::name(key);
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut set = |field: &str, value: String| fields.push((field.into(), value.into_bytes()));
    set("@head", row.head.to_string());
    set("@floor", row.floor.to_string());
    set("@incarnation", row.incarnation.to_string());
    set("@version", row.version.to_string());
    set("@created", row.created_at.as_millis().to_string());
    set("@updated", row.updated_at.as_millis().to_string());
    set("@commit", row.commit_id.to_string());
    let mut commands = vec![words([b"ZADD", &of_part(names, key, "objects"), b"0", name.as_bytes()])];
    let kinds = format!("{}:{}", key.namespace(), key.kind());
    if let Some(state) = &row.state {
        match split(state) {
            Layout::Whole(text) => set("@state", text.into()),
            Layout::Fields { order, fields } => {
                set("@order", order);
                fields.into_iter().for_each(|(name, value)| set(&name, value.into()));
            }
        }
        commands.push(words([b"ZADD", &of_part(names, key, &format!("k:{kinds}")), b"0", key.id().as_bytes()]));
        commands.push(words([b"SADD", &of_part(names, key, "kinds"), kinds.as_bytes()]));
        let paths = declared.paths(key.kind());
        let state = (!paths.is_empty()).then(|| state.value());
        for (path, state) in paths.iter().zip(state.iter().cycle()) {
            let value = value::encode(path.find(state));
            let member = [&value[..], key.id().as_bytes()].concat();
            commands.push(words([b"ZADD", &of_part(names, key, &format!("x:{kinds}:{path}")), b"0", &member]));
            fields.push((format!("@ix:{path}").into_bytes(), value));
        }
    }
    for some in fields.chunks(FIELDS) {
        let mut command = words([b"HSET", &of(names, 'o', key)]);
        command.extend(some.iter().flat_map(|(field, value)| [field.clone(), value.clone()]));
        commands.push(command);
    }
    if row.head.number() > 0 {
        let shard = key.shard(names.shards).to_string();
        let stream = of_part(names, key, &format!("f:{shard}"));
        let head = row.head.to_string();
        commands.push(words([b"XADD", &stream, b"0-*", b"k", name.as_bytes(), b"a", b"1", b"z", head.as_bytes()]));
        commands.push(words([b"SADD", &of_part(names, key, "feed"), shard.as_bytes()]));
    }
    commands
}

fn place_alarm(names: &Names, key: &Key, alarm: &Alarm) -> Vec<Vec<Vec<u8>>> {
    let cursor = abide_core::port::store::AlarmCursor { due: alarm.due, key: key.clone(), name: alarm.name.clone() };
    let (set, flag) = if alarm.dead.is_some() { ("dead", "-") } else { ("due", "+") };
    let value = format!("{}{flag}{}", names::due(alarm.due), codec::encode_alarm(alarm));
    let field = format!("@alarm:{}", alarm.name);
    vec![
        words([b"HSET", &of(names, 'o', key), field.as_bytes(), value.as_bytes()]),
        words([b"ZADD", &of_part(names, key, set), b"0", &names::alarm_member(&cursor)]),
    ]
}

fn place_outcome(names: &Names, key: &Key, outcome: &Outcome) -> Vec<Vec<Vec<u8>>> {
    let field = names::outcome_field(&outcome.caller, &outcome.call_key);
    let member = [&names::sorted(key)[..], b"\0", &field].concat();
    let expires = outcome.expires_at.as_millis().to_string();
    vec![
        words([b"HSET", &of(names, 'q', key), &field, codec::encode_outcome(outcome).as_bytes()]),
        words([b"ZADD", &of_part(names, key, "expire"), expires.as_bytes(), &member]),
    ]
}

fn place_message(names: &Names, message: &OutboxMessage) -> Vec<Vec<Vec<u8>>> {
    let (sender, member) = (&message.id.sender, names::message_member(&message.id));
    vec![
        words([b"HSET", &of_part(names, sender, "messages"), &member, codec::encode_message(message).as_bytes()]),
        words([b"ZADD", &of_part(names, sender, "outbox"), b"0", &member]),
    ]
}
