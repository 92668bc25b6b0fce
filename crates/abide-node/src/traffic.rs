//! Who calls whom, and how often: the edges of a graph over the last minute, in bounded memory.
//!
//! An edge is kept with the calls of each of the last [`STEPS`] stretches of [`STEP`]. When a slice is full,
//! a new edge takes the place of the one with the fewest calls among a few; what is called often stays.

use std::{hash::BuildHasher, time::Duration};

use abide_core::{Key, Namespace};
use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::time::Instant;

use crate::job::{Chain, Envelope, Origin};

const SLICES: usize = 16;

/// How long one stretch of counting is, and how many make up the rate: a minute together.
const STEP: Duration = Duration::from_secs(5);
const STEPS: usize = 12;

/// How many edges are looked at for one that may be forgotten.
const LOOKS: usize = 8;

/// How a call came to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Somebody waits for the answer: another object in its turn, or a client or the program itself.
    Call,
    /// A durable message of another object.
    Message,
    /// An alarm that was due.
    Alarm,
}

impl Way {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Message => "message",
            Self::Alarm => "alarm",
        }
    }
}

/// Who called whom in the last minute.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The object that called; `None` for a client, the program itself, or an alarm.
    pub from: Option<Key>,
    /// The object that was called.
    pub to: Key,
    /// How.
    pub way: Way,
    /// The handler that was called last.
    pub handler: &'static str,
    /// Calls in the last minute.
    pub per_minute: u64,
    /// How long ago the last one was, to five seconds.
    pub idle: Duration,
}

/// What the node remembers of who calls whom.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The edges with calls in the last minute, the busiest first, as many as were asked for.
    pub edges: Vec<Edge>,
    /// How many edges had calls in the last minute.
    pub active: usize,
    /// How many edges are remembered at most; 0 if calls are not counted.
    pub limit: usize,
    /// How many busy edges were forgotten since the start, because there were too many.
    pub forgotten: u64,
}

/// The record, written by every call.
pub(crate) struct TrafficLog {
    slices: Box<[Mutex<Slice>]>,
    limit: usize,
    started: Instant,
}

type EdgeKey = (Option<Key>, Key, Way);

#[derive(Default)]
struct Slice {
    places: FxHashMap<EdgeKey, usize>,
    edges: Vec<Counted>,
    hand: usize,
    forgotten: u64,
}

struct Counted {
    key: EdgeKey,
    handler: &'static str,
    counts: [u32; STEPS],
    /// The step of the last call.
    last: u64,
}

impl TrafficLog {
    /// A record of at most `limit` edges; of none if that is 0.
    pub(crate) fn new(limit: usize) -> Self {
        Self { slices: (0..SLICES).map(|_| Mutex::default()).collect(), limit, started: Instant::now() }
    }

    /// Notes that a call came to `to`.
    pub(crate) fn note(&self, to: &Key, envelope: &Envelope) {
        if self.limit == 0 {
            return;
        }
        let now = envelope.received_at.unwrap_or_else(Instant::now);
        let (from, way) = match &envelope.origin {
            Origin::Call => (caller(envelope.chain.as_deref()), Way::Call),
            Origin::Message(id) => (Some(id.sender.clone()), Way::Message),
            Origin::Alarm { .. } => (None, Way::Alarm),
            Origin::Transaction(_) | Origin::Foreign(_) | Origin::Node(_) => return,
        };
        self.count((from, to.clone(), way), envelope.info.name, now);
    }

    fn count(&self, key: EdgeKey, handler: &'static str, now: Instant) {
        let step = self.step(now);
        let hash = FxBuildHasher.hash_one(&key);
        let slice = &self.slices[usize::try_from(hash >> 32).unwrap_or(0) % SLICES];
        slice.lock().count(key, handler, step, self.limit.div_ceil(SLICES));
    }

    fn step(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs() / STEP.as_secs()
    }

    /// The busiest edges of a tenant, of one object alone if it is named.
    pub(crate) fn busiest(&self, namespace: &Namespace, of: Option<&Key>, limit: usize, now: Instant) -> Traffic {
        let now = self.step(now);
        let mut traffic = Traffic { edges: Vec::new(), active: 0, limit: self.limit, forgotten: 0 };
        for slice in &self.slices {
            let mut slice = slice.lock();
            slice.forget_idle(now);
            traffic.forgotten += slice.forgotten;
            let asked = |edge: &&Counted| {
                let (from, to, _) = &edge.key;
                to.namespace() == namespace && of.is_none_or(|key| to == key || from.as_ref() == Some(key))
            };
            traffic.edges.extend(slice.edges.iter().filter(asked).map(|edge| edge.shown(now)));
        }
        traffic.active = traffic.edges.len();
        traffic.edges.sort_by(|a, b| (b.per_minute, &a.to, &a.from).cmp(&(a.per_minute, &b.to, &b.from)));
        traffic.edges.truncate(limit);
        traffic
    }
}

/// The object whose turn made a call: the innermost of the chain that is not merely held.
fn caller(chain: Option<&Chain>) -> Option<Key> {
    std::iter::successors(chain, |link| link.outer.as_deref()).find(|link| !link.held).map(|link| link.key.clone())
}

impl Slice {
    fn count(&mut self, key: EdgeKey, handler: &'static str, step: u64, limit: usize) {
        if let Some(&place) = self.places.get(&key) {
            return self.edges[place].count(handler, step);
        }
        let mut edge = Counted { key: key.clone(), handler, counts: [0; STEPS], last: step };
        edge.count(handler, step);
        if self.edges.len() < limit {
            self.places.insert(key, self.edges.len());
            return self.edges.push(edge);
        }
        let place = self.quietest(step);
        let gone = std::mem::replace(&mut self.edges[place], edge);
        self.forgotten += u64::from(gone.rate(step) > 0);
        self.places.remove(&gone.key);
        self.places.insert(key, place);
    }

    /// The quietest of the next few edges. The hand goes on, so that all are looked at in turn.
    fn quietest(&mut self, step: u64) -> usize {
        let looked = (0..LOOKS.min(self.edges.len())).map(|n| (self.hand + n) % self.edges.len());
        let place = looked.min_by_key(|place| self.edges[*place].rate(step)).unwrap_or(0);
        self.hand = (self.hand + LOOKS) % self.edges.len().max(1);
        place
    }

    fn forget_idle(&mut self, step: u64) {
        let mut place = 0;
        while place < self.edges.len() {
            if self.edges[place].rate(step) > 0 {
                place += 1;
                continue;
            }
            let gone = self.edges.swap_remove(place);
            self.places.remove(&gone.key);
            if let Some(moved) = self.edges.get(place) {
                self.places.insert(moved.key.clone(), place);
            }
        }
    }
}

impl Counted {
    fn count(&mut self, handler: &'static str, step: u64) {
        self.clear_until(step);
        self.handler = handler;
        let count = &mut self.counts[slot(step)];
        *count = count.saturating_add(1);
    }

    /// Clears the stretches between the last call and now.
    fn clear_until(&mut self, step: u64) {
        for passed in (self.last + 1..=step).rev().take(STEPS) {
            self.counts[slot(passed)] = 0;
        }
        self.last = self.last.max(step);
    }

    /// Calls in the last minute.
    fn rate(&self, step: u64) -> u64 {
        let oldest = step.saturating_sub(STEPS as u64 - 1);
        (oldest..=self.last).rev().take(STEPS).map(|kept| u64::from(self.counts[slot(kept)])).sum()
    }

    fn shown(&self, step: u64) -> Edge {
        let (from, to, way) = self.key.clone();
        let idle = STEP * u32::try_from(step.saturating_sub(self.last)).unwrap_or(u32::MAX);
        Edge { from, to, way, handler: self.handler, per_minute: self.rate(step), idle }
    }
}

fn slot(step: u64) -> usize {
    usize::try_from(step % STEPS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key::parse("default", "Counter", id).unwrap()
    }

    fn called(log: &TrafficLog, id: &str, times: usize, at: u64) {
        for _ in 0..times {
            log.count((None, key(id), Way::Call), "increment", log.started + Duration::from_secs(at));
        }
    }

    fn seen(log: &TrafficLog, at: u64) -> Vec<(String, u64)> {
        let now = log.started + Duration::from_secs(at);
        let traffic = log.busiest(&Namespace::default(), None, 1000, now);
        traffic.edges.iter().map(|edge| (edge.to.id().to_owned(), edge.per_minute)).collect()
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute_and_no_longer() {
        let log = TrafficLog::new(100);
        called(&log, "a", 3, 0);
        called(&log, "b", 5, 0);
        assert_eq!(seen(&log, 0), [("b".into(), 5), ("a".into(), 3)]);
        called(&log, "a", 4, 40);
        assert_eq!(seen(&log, 40), [("a".into(), 7), ("b".into(), 5)]);
        assert_eq!(seen(&log, 70), [("a".into(), 4)]);
        assert_eq!(seen(&log, 670), []);
        called(&log, "a", 1, 670);
        assert_eq!(seen(&log, 670), [("a".into(), 1)]);
    }

    #[test]
    fn what_is_called_often_stays_however_many_others_come_by() {
        let log = TrafficLog::new(160);
        called(&log, "busy", 1000, 0);
        for i in 0..20_000 {
            called(&log, &format!("passing {i}"), 1, 1);
        }
        let traffic = log.busiest(&Namespace::default(), None, 10, log.started + Duration::from_secs(1));
        assert_eq!((traffic.edges[0].to.id(), traffic.edges[0].per_minute), ("busy", 1000));
        assert_eq!((traffic.edges.len(), traffic.active <= 160, traffic.forgotten > 19_000), (10, true, true));
    }

    #[test]
    fn other_tenants_and_other_objects_are_not_shown() {
        let log = TrafficLog::new(100);
        let theirs = Key::parse("theirs", "Counter", "a").unwrap();
        let now = log.started;
        log.count((None, theirs, Way::Call), "increment", now);
        log.count((Some(key("a")), key("b"), Way::Message), "increment", now);
        log.count((None, key("c"), Way::Alarm), "tick", now);
        assert_eq!(seen(&log, 0), [("b".into(), 1), ("c".into(), 1)]);
        let of_a = log.busiest(&Namespace::default(), Some(&key("a")), 10, now);
        assert_eq!((of_a.edges.len(), of_a.edges[0].way), (1, Way::Message));
    }
}
