use crate::{
    key::{Key, Shard},
    seq::{FeedPosition, Seq},
};

/// An entry of the feed: an object's head moved.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// Its position.
    pub position: FeedPosition,
    /// The object.
    pub key: Key,
    /// Its shard.
    pub shard: Shard,
    /// The first seq of this step.
    pub first: Seq,
    /// The last seq of this step.
    pub last: Seq,
}

/// A page of the feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedPage {
    /// The entries, in commit order.
    pub entries: Vec<FeedEntry>,
    /// Ask for what comes after this next. Moves on even when a page has no entries of the shard asked for.
    pub next: FeedPosition,
    /// Whether there is more right now.
    pub more: bool,
    /// Entries at or below this are no longer kept.
    pub floor: FeedPosition,
}
