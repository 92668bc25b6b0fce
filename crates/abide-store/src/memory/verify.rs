use abide_core::{Key, Seq};

use super::data::{Data, Object};
use crate::texts;

impl Data {
    /// The faults found, at most `limit`.
    pub(super) fn verify(&self, limit: usize) -> Vec<String> {
        if let Some(importing) = &self.importing {
            return vec![crate::import::fault(importing)];
        }
        let mut faults = Vec::new();
        for (key, object) in &self.objects {
            object.verify(key, &mut faults);
            if faults.len() >= limit {
                break;
            }
        }
        for entry in &self.feed {
            if entry.shard != entry.key.shard(self.shards()) {
                faults.push(format!(
                    "{}: its feed entry {} names shard {}, its hash belongs to {}",
                    entry.key,
                    entry.position,
                    entry.shard,
                    entry.key.shard(self.shards())
                ));
            }
        }
        faults.truncate(limit);
        faults
    }
}

impl Object {
    fn verify(&self, key: &Key, faults: &mut Vec<String>) {
        let kept = self.changes.len() as u64;
        let first = self.changes.keys().next().copied();
        let last = self.changes.keys().next_back().copied();
        let dense = match (first, last) {
            (Some(first), Some(last)) => first == self.floor.next() && last == self.head,
            _ => self.floor == self.head,
        };
        if !dense || self.floor.plus(kept) != self.head {
            faults.push(format!(
                "{key}: its log is not dense: floor {}, head {}, {kept} changes kept, from {} to {}",
                self.floor,
                self.head,
                first.unwrap_or_default(),
                last.unwrap_or_default(),
            ));
        }
        let owner = key.to_string();
        faults
            .extend(self.changes.iter().filter_map(|(seq, change)| texts::change(&owner, *seq, change.json.as_str())));
        if self.state.is_none() && self.head > Seq::ZERO && !self.alarms.is_empty() {
            faults.push(format!("{key}: it is deleted and has {} alarms", self.alarms.len()));
        }
    }
}
