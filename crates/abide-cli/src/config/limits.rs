//! `[limits]`: how much of everything, each with the least and the most that makes sense.

use std::time::Duration;

use abide::{NodeOptions, server};

use super::Setting;
use crate::failure::Outcome;

/// The limits of a node and of its server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Those of the server.
    pub(crate) server: server::Limits,
    /// Calls that may wait for one object.
    pub(crate) mailbox: usize,
    /// Objects in memory.
    pub(crate) objects: usize,
    /// Bytes of memory for objects.
    pub(crate) memory: usize,
    /// How long a call waits unless it says otherwise.
    pub(crate) call_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let node = NodeOptions::default();
        Self {
            server: server::Limits::default(),
            mailbox: node.mailbox,
            objects: node.objects_max,
            memory: node.memory_max,
            call_timeout: node.call_timeout,
        }
    }
}

/// A limit: where it is kept, and in which range it is.
struct Limit {
    path: &'static str,
    range: Range,
}

enum Range {
    Size(usize, usize, fn(&mut Limits) -> &mut usize),
    Count(usize, usize, fn(&mut Limits) -> &mut usize),
    Time(Duration, Duration, fn(&mut Limits) -> &mut Duration),
    Streams(u32, u32),
}

const fn size(path: &'static str, least: usize, most: usize, of: fn(&mut Limits) -> &mut usize) -> Limit {
    Limit { path, range: Range::Size(least, most, of) }
}

const fn count(path: &'static str, least: usize, most: usize, of: fn(&mut Limits) -> &mut usize) -> Limit {
    Limit { path, range: Range::Count(least, most, of) }
}

/// In milliseconds.
const fn time(path: &'static str, least: u64, most: u64, of: fn(&mut Limits) -> &mut Duration) -> Limit {
    Limit { path, range: Range::Time(Duration::from_millis(least), Duration::from_millis(most), of) }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Every limit, in the order of the documentation.
const LIMITS: &[Limit] = &[
    size("limits.body", 1, GIB, |l| &mut l.server.body_bytes),
    size("limits.decompressed", 1, 4 * GIB, |l| &mut l.server.decompressed_bytes),
    count("limits.json_depth", 1, 127, |l| &mut l.server.json_depth),
    time("limits.body_timeout", 100, HOUR, |l| &mut l.server.body_timeout),
    size("limits.header", 8 * KIB, MIB, |l| &mut l.server.header_bytes),
    count("limits.headers", 16, 10_000, |l| &mut l.server.headers),
    time("limits.request_timeout", 100, HOUR, |l| &mut l.server.request_timeout),
    count("limits.connections", 1, 1_000_000, |l| &mut l.server.connections),
    count("limits.connections_per_address", 1, 1_000_000, |l| &mut l.server.connections_per_address),
    Limit { path: "limits.streams_per_connection", range: Range::Streams(1, 100_000) },
    time("limits.keep_alive", 100, DAY, |l| &mut l.server.keep_alive),
    count("limits.page_items", 1, 100_000, |l| &mut l.server.page_items),
    size("limits.page_bytes", KIB, GIB, |l| &mut l.server.page_bytes),
    time("limits.heartbeat", 100, HOUR, |l| &mut l.server.heartbeat),
    size("limits.frame", KIB, 64 * MIB, |l| &mut l.server.frame_bytes),
    count("limits.calls_per_connection", 1, 100_000, |l| &mut l.server.calls_per_connection),
    count("limits.watches_per_connection", 1, 1_000_000, |l| &mut l.server.watches_per_connection),
    time("limits.hello_timeout", 100, HOUR, |l| &mut l.server.hello_timeout),
    time("limits.write_timeout", 100, HOUR, |l| &mut l.server.write_timeout),
    time("limits.session_grace", 0, DAY, |l| &mut l.server.session_grace),
    count("limits.sessions", 0, 10_000_000, |l| &mut l.server.sessions),
    time("limits.call_timeout", 1, DAY, |l| &mut l.call_timeout),
    time("limits.call_timeout_max", 1, DAY, |l| &mut l.server.call_timeout),
    count("limits.mailbox", 1, 10_000_000, |l| &mut l.mailbox),
    count("limits.objects", 1, 1_000_000_000, |l| &mut l.objects),
    size("limits.memory", MIB, 1024 * GIB, |l| &mut l.memory),
    time("limits.drain_delay", 0, HOUR, |l| &mut l.server.drain_delay),
    time("limits.drain", 1, HOUR, |l| &mut l.server.drain_timeout),
];

impl Limits {
    /// Takes a setting; whether it is one of these.
    pub(super) fn set(&mut self, setting: &Setting) -> Outcome<bool> {
        let Some(limit) = LIMITS.iter().find(|limit| limit.path == setting.key.path) else { return Ok(false) };
        match limit.range {
            Range::Size(least, most, of) => *of(self) = setting.size_in(least, most)?,
            Range::Count(least, most, of) => *of(self) = setting.count_in(least, most)?,
            Range::Time(least, most, of) => *of(self) = setting.duration_in(least, most)?,
            Range::Streams(least, most) => {
                let count = setting.count_in(least as usize, most as usize)?;
                self.server.streams_per_connection = u32::try_from(count).unwrap_or(most);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use abide::duration::format_duration;

    use super::*;
    use crate::config::{KEYS, Key, Value, format_size};

    /// The table of the documentation: each limit with its default, the least and the most.
    fn table() -> String {
        let mut limits = Limits::default();
        let mut text = String::from("| key | what | default | from | to |\n|---|---|---|---|---|\n");
        for Limit { path, range } in LIMITS {
            let [usual, least, most] = match *range {
                Range::Size(least, most, of) => [*of(&mut limits), least, most].map(|bytes| format_size(bytes as u64)),
                Range::Count(least, most, of) => [*of(&mut limits), least, most].map(|count| count.to_string()),
                Range::Time(least, most, of) => [*of(&mut limits), least, most].map(format_duration),
                Range::Streams(least, most) => {
                    [limits.server.streams_per_connection, least, most].map(|n| n.to_string())
                }
            };
            let about = Key::find(path).map_or("", |key| key.about);
            text.push_str(&format!("| `{path}` | {about} | {usual} | {least} | {most} |\n"));
        }
        text
    }

    fn set(limits: &mut Limits, path: &str, text: &str) -> Outcome<bool> {
        let key = Key::find(path).unwrap_or_else(|| panic!("{path} is no key"));
        limits.set(&Setting { key, value: Value::Text(text.into()), origin: "a test".into() })
    }

    /// The least and the most of a limit, and what is just beyond them, as they are written.
    fn edges(range: &Range) -> ([String; 2], Vec<String>) {
        let millis = |time: Duration| time.as_millis() as usize;
        let (least, most, unit) = match *range {
            Range::Size(least, most, _) => (least, most, "B"),
            Range::Count(least, most, _) => (least, most, ""),
            Range::Time(least, most, _) => (millis(least), millis(most), "ms"),
            Range::Streams(least, most) => (least as usize, most as usize, ""),
        };
        let write = |number: usize| format!("{number}{unit}");
        let below = least.checked_sub(1).map(write);
        ([write(least), write(most)], below.into_iter().chain([write(most + 1)]).collect())
    }

    #[test]
    fn every_limit_takes_what_is_in_its_range_and_refuses_the_rest() {
        for Limit { path, range } in LIMITS {
            let (inside, outside) = edges(range);
            let mut limits = Limits::default();
            for text in &inside {
                assert!(set(&mut limits, path, text).unwrap(), "{path} = {text}");
            }
            for text in &outside {
                let failure = set(&mut limits, path, text).unwrap_err();
                let sentence = format!("{failure} {}", failure.advice().unwrap_or_default());
                assert!(failure.exit() == 2 && sentence.contains(path), "{path} = {text}: {sentence}");
            }
        }
    }

    #[test]
    fn every_limit_of_the_server_has_a_key() {
        let fields = |limits: &server::Limits| -> BTreeSet<String> {
            format!("{limits:#?}").lines().filter(|line| line.contains(": ")).map(str::to_owned).collect()
        };
        let mut limits = Limits::default();
        let before = fields(&limits.server);
        for Limit { path, range } in LIMITS {
            // The least is not the default of any of them, or the most is not.
            let ([least, most], _) = edges(range);
            set(&mut limits, path, &least).unwrap();
            if Limits::default() == limits {
                set(&mut limits, path, &most).unwrap();
            }
        }
        set(&mut limits, "limits.drain_delay", "1s").unwrap();
        let untouched: Vec<_> = before.intersection(&fields(&limits.server)).cloned().collect();
        assert!(untouched.is_empty(), "no key sets {untouched:?}");
    }

    #[test]
    fn the_keys_and_the_limits_are_the_same() {
        let known: BTreeSet<_> = LIMITS.iter().map(|limit| limit.path).collect();
        let rates = |path: &str| path.starts_with("limits.rate.");
        let keys = KEYS.iter().map(|key| key.path).filter(|path| path.starts_with("limits.") && !rates(path));
        assert_eq!(keys.collect::<BTreeSet<_>>(), known);
    }

    #[test]
    fn the_documentation_has_the_table_of_the_limits() {
        let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        let page = fs::read_to_string(page).unwrap();
        for row in table().lines() {
            assert!(page.contains(row), "docs/cli.md lacks this row:\n{row}\nall of them:\n{}", table());
        }
    }
}
