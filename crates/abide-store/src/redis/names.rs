//! What keys and members are called. `docs/format/redis.md` is the same in words.

use abide_core::{
    Key, Seq, Shard, Timestamp,
    port::store::{AlarmCursor, MessageId},
};

/// Redis Cluster has so many slots.
const SLOTS: u16 = 16_384;
/// Milliseconds from the year 0 to 1970: so that every due time is a positive number.
const ERA: i64 = 62_167_219_200_000;
/// Beyond this, scores and Lua's numbers are no longer exact.
pub(super) const EXACT_MAX: u64 = 1 << 53;

/// How the keys of a store are called: all begin with its prefix, and those of one part share a slot.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: Box<str>,
    pub(super) shards: u32,
    /// Objects are spread over so many parts by their shard; a part is what one script can write.
    pub(super) parts: u32,
    tags: Box<[(String, u16)]>,
}

impl Names {
    pub(super) fn new(prefix: &str, shards: u32, parts: u32) -> Self {
        let tag = |part| {
            let tag = format!("{prefix}:{part}");
            let slot = slot(tag.as_bytes());
            (format!("{{{tag}}}"), slot)
        };
        Self { prefix: prefix.into(), shards, parts, tags: (0..parts).map(tag).collect() }
    }

    /// The key of what is said of the whole store, and its slot.
    pub(super) fn meta(prefix: &str) -> (String, u16) {
        (format!("{{{prefix}}}:meta"), slot(prefix.as_bytes()))
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the channels of changes begin with.
    pub(super) fn channel(&self) -> String {
        format!("{}:", self.prefix)
    }

    pub(super) fn part_of(&self, shard: Shard) -> u32 {
        shard.number() % self.parts
    }

    pub(super) fn part(&self, key: &Key) -> u32 {
        self.part_of(key.shard(self.shards))
    }

    /// What every key of a part begins with, in braces.
    pub(super) fn tag(&self, part: u32) -> &str {
        &self.tags[part as usize].0
    }

    pub(super) fn slot(&self, part: u32) -> u16 {
        self.tags[part as usize].1
    }

    /// A key about one object: `o` its hash, `c` its changes, `n` its snapshots, `q` its outcomes,
    /// `r` the numbers it received.
    pub(super) fn of(&self, letter: char, key: &Key) -> String {
        format!("{}:{letter}:{}", self.tag(self.part(key)), name(key))
    }
}

/// `namespace:kind:id`; neither namespace nor kind has a colon.
pub(super) fn name(key: &Key) -> String {
    format!("{}:{}:{}", key.namespace(), key.kind(), key.id())
}

/// Reads `namespace:kind:id`.
pub(super) fn parse_name(name: &str) -> Option<Key> {
    let mut parts = name.splitn(3, ':');
    Key::parse(parts.next()?, parts.next()?, parts.next()?).ok()
}

/// A text that can be followed by NUL and more, and sorts as the text does.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(255);
        }
    }
}

/// Sorts as keys do, also when NUL and more follow.
pub(super) fn sorted(key: &Key) -> Vec<u8> {
    let mut out = format!("{}\0{}\0", key.namespace(), key.kind()).into_bytes();
    escape(key.id(), &mut out);
    out
}

/// When an alarm is due, as 15 digits.
pub(super) fn due(at: Timestamp) -> String {
    format!("{:015}", at.as_millis() + ERA)
}

/// The place of an alarm among alarms: sorts as cursors do.
pub(super) fn alarm_member(cursor: &AlarmCursor) -> Vec<u8> {
    let mut out = due(cursor.due).into_bytes();
    out.extend(sorted(&cursor.key));
    out.push(0);
    escape(&cursor.name, &mut out);
    out
}

/// The place of a message among messages: sorts by sender and number.
pub(super) fn message_member(id: &MessageId) -> Vec<u8> {
    let mut out = sorted(&id.sender);
    out.push(0);
    out.extend(format!("{:020}", id.n).into_bytes());
    out
}

/// The field of an outcome in its object's hash of outcomes.
pub(super) fn outcome_field(caller: &str, call_key: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape(caller, &mut out);
    out.push(0);
    out.extend(call_key.as_bytes());
    out
}

/// A text that NUL ends, still escaped, and what follows.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ends = |n: &usize| bytes[*n] == 0 && bytes.get(n + 1) != Some(&255);
    let end = (0..bytes.len()).find(ends)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads what [`escape`] wrote.
pub(super) fn unescape(escaped: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        text.push(*byte);
        if *byte == 0 {
            bytes.next();
        }
    }
    String::from_utf8(text).ok()
}

/// Reads what [`sorted`] wrote, NUL, and gives what follows.
pub(super) fn parse_sorted(member: &[u8]) -> Option<(Key, &[u8])> {
    let ((namespace, rest), text) = (cut(member)?, std::str::from_utf8);
    let (kind, rest) = cut(rest)?;
    let (id, rest) = cut(rest)?;
    Some((Key::parse(text(namespace).ok()?, text(kind).ok()?, &unescape(id)?).ok()?, rest))
}

/// Reads the field of an outcome: its caller, and the call's key.
pub(super) fn parse_outcome_field(field: &[u8]) -> Option<(String, String)> {
    let (caller, call_key) = cut(field)?;
    Some((unescape(caller)?, String::from_utf8(call_key.to_vec()).ok()?))
}

/// A text as the pattern that matches it alone.
pub(super) fn pattern(text: &str) -> String {
    text.chars().flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A state's field in the object's hash: no field of ours, which begin with one `@`.
pub(super) fn field(name: &str) -> String {
    if name.starts_with('@') { format!("@{name}") } else { name.into() }
}

/// A position as a score, as exact as scores are.
pub(super) fn score(seq: Seq) -> u64 {
    seq.number().min(EXACT_MAX)
}

/// The slot of what stands in a key's braces: CRC16 (XMODEM) modulo the number of slots, as the Redis
/// Cluster specification says.
pub(super) fn slot(tag: &[u8]) -> u16 {
    let step = |crc: u16, byte: &u8| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    };
    tag.iter().fold(0, step) % SLOTS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        let id = "[a\0é\u{10ffff}]{1,3}";
        ("[ab]{1,2}", "[AB]{1,2}", id).prop_map(|(n, k, i)| Key::parse(&n, &k, &i).unwrap())
    }

    proptest! {
        #[test]
        fn places_of_alarms_sort_as_cursors_do(
            all in proptest::collection::vec((-2i64..2, key(), "[a\0]{0,2}"), 2..8),
        ) {
            let cursor = |(due, key, name): (i64, Key, String)| {
                AlarmCursor { due: Timestamp::from_millis(due), key, name: name.into() }
            };
            let mut cursors: Vec<_> = all.into_iter().map(cursor).collect();
            cursors.sort();
            let members: Vec<_> = cursors.iter().map(alarm_member).collect();
            prop_assert!(members.is_sorted());
        }

        #[test]
        fn places_of_messages_sort_by_sender_and_number(
            all in proptest::collection::vec((key(), any::<u64>()), 2..8),
        ) {
            let mut ids: Vec<_> = all.into_iter().map(|(sender, n)| MessageId { sender, n }).collect();
            ids.sort();
            prop_assert!(ids.iter().map(message_member).is_sorted());
        }

        #[test]
        fn the_field_of_an_outcome_reads_back(caller in "[a\0é]{0,3}", call_key in "[a\0é]{0,3}") {
            let field = outcome_field(&caller, &call_key);
            prop_assert_eq!(parse_outcome_field(&field), Some((caller, call_key)));
        }

        #[test]
        fn the_place_of_an_alarm_reads_back(key in key(), name in "[a\0]{0,2}") {
            let cursor = AlarmCursor { due: Timestamp::from_millis(7), key: key.clone(), name: name.as_str().into() };
            let member = alarm_member(&cursor);
            let (read, rest) = parse_sorted(&member[15..]).unwrap();
            prop_assert_eq!((read, unescape(rest)), (key, Some(name)));
        }

        #[test]
        fn a_name_reads_back(key in key()) {
            prop_assert_eq!(parse_name(&name(&key)), Some(key));
        }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3 % SLOTS);
        assert_eq!(slot(b"foo"), 12_182);
    }
}
