//! The feed across objects.

use std::collections::BTreeMap;

use abide_core::{FeedPosition, Key, Store, port::store::FeedEntry};

use super::scene::Scene;
use crate::world::ready;

/// The feed names every change of every object once, in order; or why it does not.
pub(super) fn gap(scene: &Scene) -> Option<String> {
    let mut heads: BTreeMap<Key, u64> = BTreeMap::new();
    let mut after = FeedPosition::ZERO;
    loop {
        let page = ready(scene.disk.data().feed(None, after, 1_000)).ok()?;
        for entry in &page.entries {
            let head = heads.entry(entry.key.clone()).or_default();
            if entry.first.number() != *head + 1 || entry.position <= after {
                let FeedEntry { key, first, position, .. } = entry;
                return Some(format!(
                    "the feed has a gap: {key} goes on at {first} after {head}, at position {position}"
                ));
            }
            *head = entry.last.number();
            after = entry.position;
        }
        if !page.more {
            break;
        }
    }
    let behind = heads.iter().find(|(key, head)| {
        let loaded = ready(scene.disk.data().load(key)).ok().flatten();
        loaded.is_none_or(|loaded| loaded.head.number() != **head)
    });
    behind.map(|(key, head)| format!("the feed ends at {head} for {key}, which is elsewhere"))
}
