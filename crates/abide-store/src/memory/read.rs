use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use abide_core::{
    FeedPosition, Json, Key, Namespace, Seq, Shard, Timestamp,
    port::store::{
        AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, DueAlarm, FeedPage, ListCursor, ListPage, ListQuery, Listed,
        Loaded, MessageId, OutboxPage, Outcome, Room, Status,
    },
};
use serde_json::Value;

use super::{
    apply::place,
    data::{Data, Object},
    without_snapshot,
};

/// How many entries of the feed one page may pass over in search of one shard's.
const FEED_SCAN_MAX: usize = 10_000;

impl Data {
    pub(super) fn load(&self, key: &Key) -> Option<Loaded> {
        let object = self.objects.get(key)?;
        Some(Loaded {
            head: object.head,
            floor: object.floor,
            incarnation: object.incarnation,
            state: object.state.clone(),
            version: object.version,
            created_at: object.created_at,
            updated_at: object.updated_at,
            commit_id: object.commit_id,
            alarms: object.alarms.values().cloned().collect(),
        })
    }

    pub(super) fn changes(&self, key: &Key, after: Seq, limit: usize) -> ChangesPage {
        let Some(object) = self.objects.get(key) else {
            return ChangesPage::default();
        };
        let kept = object.changes.range((Bound::Excluded(after), Bound::Unbounded));
        let kept = kept.map(|(_, change)| without_snapshot(change));
        let mut room = Room::of(limit);
        ChangesPage {
            changes: kept.take_while(|change| room.takes(change.bytes())).collect(),
            head: object.head,
            floor: object.floor,
        }
    }

    pub(super) fn snapshot(&self, key: &Key, at: Seq) -> Option<(Seq, Json)> {
        let changes = &self.objects.get(key)?.changes;
        let mut before = changes.range(..=at).rev();
        before.find_map(|(seq, change)| Some((*seq, change.snapshot.clone()?)))
    }

    pub(super) fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> FeedPage {
        let start = self.feed.partition_point(|entry| entry.position <= after);
        let mut page = FeedPage { next: after.max(self.feed_floor), floor: self.feed_floor, ..FeedPage::default() };
        for entry in self.feed.range(start..).take(FEED_SCAN_MAX) {
            if page.entries.len() == limit {
                break;
            }
            page.next = entry.position;
            if shard.is_none_or(|shard| shard == entry.shard) {
                page.entries.push(entry.clone());
            }
        }
        page.more = page.next < self.feed_last();
        page
    }

    pub(super) fn due_alarms(&self, until: Timestamp, after: Option<&AlarmCursor>, limit: usize) -> AlarmsPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.due.range((start, Bound::Unbounded)).take_while(|place| place.due <= until);
        page_of(due.filter_map(|place| self.alarm(place)), limit)
    }

    fn alarm(&self, place: &AlarmCursor) -> Option<DueAlarm> {
        let alarm = self.objects.get(&place.key)?.alarms.get(&place.name)?;
        Some(DueAlarm { key: place.key.clone(), alarm: alarm.clone() })
    }

    pub(super) fn alarms(&self, query: &AlarmsQuery) -> AlarmsPage {
        let mut places: BTreeMap<AlarmCursor, DueAlarm> = BTreeMap::new();
        for (key, object) in &self.objects {
            let of_key = query.key.as_ref().is_none_or(|wanted| wanted == key);
            if !of_key || key.namespace() != &query.namespace {
                continue;
            }
            for alarm in object.alarms.values() {
                let place = place(key, alarm);
                let after = query.after.as_ref().is_none_or(|after| *after < place);
                if after && (alarm.dead.is_some() || !query.dead) {
                    let (key, alarm) = (key.clone(), alarm.clone());
                    places.insert(place, DueAlarm { key, alarm });
                }
            }
        }
        page_of(places.into_values(), query.limit)
    }

    pub(super) fn outbox(&self, after: Option<MessageId>, limit: usize) -> OutboxPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut page, mut room) = (OutboxPage::default(), Room::of(limit));
        for (_, message) in self.outbox.range((start, Bound::Unbounded)) {
            page.more = !room.takes(message.bytes());
            if page.more {
                break;
            }
            page.messages.push(message.clone());
        }
        page
    }

    pub(super) fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Option<Outcome> {
        let outcomes = &self.objects.get(key)?.outcomes;
        let outcome = outcomes.get(&(caller.into(), call_key.into()))?;
        (outcome.expires_at > now).then(|| outcome.clone())
    }

    pub(super) fn received(&self, key: &Key, sender: &Key) -> u64 {
        let object = self.objects.get(key);
        let last = object.and_then(|object| object.received.get(sender));
        last.copied().unwrap_or(0)
    }

    /// Everything that matches, in order, from the cursor on: plain, because the other stores are
    /// measured against it.
    pub(super) fn list(&self, query: &ListQuery) -> ListPage {
        let mut found: Vec<(Value, &str, &Object)> = Vec::new();
        for (key, object) in &self.objects {
            let of_kind = key.namespace() == &query.namespace && key.kind() == &query.kind;
            let Some(state) = object.state.as_ref().filter(|_| of_kind && key.id().starts_with(&query.prefix)) else {
                continue;
            };
            let state = state.value();
            if query.filter.as_ref().is_none_or(|filter| filter.matches(&state)) {
                let value = query.order.as_ref().map(|order| order.value(&state).into_owned());
                found.push((value.unwrap_or_default(), key.id(), object));
            }
        }
        let compare = |left: (&Value, &str), right: (&Value, &str)| match &query.order {
            Some(order) => order.compare(left, right),
            None => left.1.cmp(right.1),
        };
        found.sort_by(|left, right| compare((&left.0, left.1), (&right.0, right.1)));
        if let Some(after) = &query.after {
            let place = (&after.ordered(), after.id.as_str());
            found.retain(|(value, id, _)| compare((value, id), place).is_gt());
        }
        let mut room = Room::of(query.limit.max(1));
        let objects = found.iter().filter_map(|(_, id, object)| listed(id, object));
        let objects: Vec<Listed> = objects.take_while(|object| room.takes(object.bytes())).collect();
        let last = objects.len().checked_sub(1).filter(|last| last + 1 < found.len());
        let next = last.map(|last| ListCursor::after_value(found[last].1, &found[last].0));
        ListPage { objects, next }
    }

    pub(super) fn namespaces(&self, after: Option<&Namespace>, limit: usize) -> Vec<Namespace> {
        let found = self.objects.keys().map(Key::namespace).filter(|found| after.is_none_or(|after| *found > after));
        let found: BTreeSet<&Namespace> = found.collect();
        found.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn feed_heads(&self) -> Vec<(Shard, FeedPosition)> {
        self.feed_heads.iter().map(|(shard, position)| (*shard, *position)).collect()
    }

    pub(super) fn status(&self) -> Status {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        let mut status = Status {
            store: "memory".into(),
            id: self.id.clone(),
            outbox: self.outbox.len() as u64,
            importing: self.importing.clone(),
            indexes: self.indexes.iter().map(|(kind, path)| (kind.as_str().into(), path.to_string())).collect(),
            ..Status::default()
        };
        for (key, object) in &self.objects {
            if object.state.is_some() {
                *kinds.entry(key.kind().as_str()).or_default() += 1;
            }
            let dead = object.alarms.values().filter(|a| a.dead.is_some()).count();
            status.changes += object.changes.len() as u64;
            status.dead_alarms += dead as u64;
            status.alarms += (object.alarms.len() - dead) as u64;
            status.outcomes += object.outcomes.len() as u64;
        }
        status.objects = kinds.into_iter().map(|(k, n)| (k.into(), n)).collect();
        status
    }
}

/// The first alarms, as a page.
fn page_of(alarms: impl Iterator<Item = DueAlarm>, limit: usize) -> AlarmsPage {
    let (mut page, mut room) = (AlarmsPage::default(), Room::of(limit));
    for alarm in alarms {
        page.more = !room.takes(alarm.bytes());
        if page.more {
            break;
        }
        page.alarms.push(alarm);
    }
    page
}

fn listed(id: &str, object: &Object) -> Option<Listed> {
    Some(Listed {
        id: id.into(),
        seq: object.head,
        state: object.state.clone()?,
        created_at: object.created_at,
        updated_at: object.updated_at,
    })
}
