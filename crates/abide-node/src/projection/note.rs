//! What a projection writes down of how far it has come.

use std::{fmt, str::FromStr};

use abide_core::{FeedPosition, Key, Seq, Shard, port::model::NoteSwap};
use serde::{Deserialize, Serialize};

/// The key of the note about the whole.
pub(super) const BUILD: &str = "build";
/// How the keys of notes about lanes begin.
pub(super) const LANES: &str = "lane/";

/// What has an order: a shard, or, in stores with one order over all of them, everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lane(pub(super) Option<Shard>);

/// The note about the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Build {
    /// The store that it follows.
    pub(super) store: String,
    /// Which build this is, from 1.
    pub(super) number: u64,
    /// Where the list of all objects goes on, while they are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listing: Option<Listing>,
}

/// A place in the list of all objects: by namespace, kind and id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) id: String,
}

/// The note about a lane: `AT UNTIL TURN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneNote {
    /// The model holds the feed up to here.
    pub(super) at: FeedPosition,
    /// Up to here, objects may have been listed later than their entries say.
    pub(super) until: FeedPosition,
    /// Counts what was written, so that two who write the same do not both succeed.
    pub(super) turn: u64,
}

impl Lane {
    pub(super) fn key(self) -> String {
        match self.0 {
            Some(shard) => format!("{LANES}{}", shard.number()),
            None => format!("{LANES}all"),
        }
    }

    pub(super) fn parse(key: &str) -> Option<Self> {
        match key.strip_prefix(LANES)? {
            "all" => Some(Self(None)),
            number => Some(Self(Some(Shard::new(number.parse().ok()?)))),
        }
    }
}

impl fmt::Display for LaneNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at.number(), self.until.number(), self.turn)
    }
}

impl FromStr for LaneNote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([at, until, turn]) => {
                Ok(Self { at: FeedPosition::new(*at), until: FeedPosition::new(*until), turn: *turn })
            }
            _ => Err(format!("the note {text:?} about a place in the feed cannot be read")),
        }
    }
}

impl Build {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("BUG: a note is no JSON: {error}"))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the note {text:?} cannot be read: {error}"))
    }
}

/// The key of the note that the model holds more of an object than its place in the feed says. Any
/// character may be in an id, but not in every database: so it is escaped.
pub(super) fn ahead(key: &Key) -> String {
    format!("ahead/{}/{}/{}", key.namespace(), key.kind(), key.id().escape_default())
}

/// What such a note says.
pub(super) fn seq(text: &str) -> Result<Seq, String> {
    text.parse().map(Seq::new).map_err(|_| format!("the note {text:?} about an object cannot be read"))
}

/// A note to be written.
pub(super) fn swap(key: String, before: Option<String>, after: Option<String>) -> NoteSwap {
    NoteSwap { key, before, after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_are_written() {
        let note = LaneNote { at: FeedPosition::new(12), until: FeedPosition::new(40), turn: 7 };
        assert_eq!(note.to_string(), "12 40 7");
        assert_eq!("12 40 7".parse(), Ok(note));
        for text in ["", "1 2", "1 2 3 4", "1 2 -3", "a b c"] {
            assert!(text.parse::<LaneNote>().is_err(), "{text:?}");
        }
        for lane in [Lane(None), Lane(Some(Shard::new(0))), Lane(Some(Shard::new(4095)))] {
            assert_eq!(Lane::parse(&lane.key()), Some(lane));
        }
        assert_eq!(Lane::parse("build"), None);
    }

    #[test]
    fn a_note_about_the_whole_is_read_as_it_is_written() {
        let listing = Listing { namespace: "default".into(), kind: "Counter".into(), id: "a\0\"🦀".into() };
        for listing in [None, Some(listing)] {
            let build = Build { store: "01J".into(), number: 3, listing };
            assert_eq!(Build::parse(&build.text()), Ok(build));
        }
    }

    #[test]
    fn notes_about_objects_are_told_apart_whatever_their_ids_are() {
        let key = |id: &str| ahead(&Key::parse("default", "Counter", id).unwrap());
        assert_eq!(key("a/b"), "ahead/default/Counter/a/b");
        assert_ne!(key("\0"), key("\\u{0}"));
        assert!(!key("\0").contains('\0'));
    }
}
