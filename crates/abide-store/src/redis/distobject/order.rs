//! Which messages say something new.

use std::collections::{HashMap, HashSet};

use abide_core::{Key, port::store::Notice};
use parking_lot::Mutex;

/// A look at a whole hash takes in what the messages before it say, and some of them may still be on their
/// way: taken in after it, they would bring old values back. So each look publishes a mark from within its
/// script; what comes before the mark is old.
pub(super) struct Order {
    /// Tells the marks of this store from those of others.
    origin: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Messages so far.
    number: u64,
    /// Marks so far.
    marks: u64,
    /// Of objects of which something may wait that is old.
    floors: HashMap<Key, Floor>,
    /// With how many floors they are looked through next.
    crowded: usize,
    /// Objects with messages that were told over this connection and not yet looked at.
    told: HashMap<Key, Told>,
    /// Messages up to this one were told over connections before.
    begun: u64,
    /// Objects with such messages, which may still be looked at, or were refused.
    past: HashSet<Key>,
}

struct Told {
    /// The last message.
    last: u64,
    /// No look at the whole hash was made after it.
    waits: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Floor {
    /// Everything is old until this mark comes.
    Mark(u64),
    /// Messages up to this number are old.
    At(u64),
}

/// How far behind the newest message one can be that is still waiting, in this process.
const WAITING_MAX: u64 = 16_384;
/// How many floors there may be before those are removed that matter no more.
const FLOORS: usize = 1_024;
/// How many there may be at all. Where so many marks have not come, the connection does not bring them.
const FLOORS_MAX: usize = 65_536;

impl State {
    /// Whether messages of this object may wait to be looked at.
    fn may_wait(&self, key: &Key) -> bool {
        self.told.contains_key(key) || self.past.contains(key)
    }

    /// Removes floors that matter no more, now and then.
    fn make_room(&mut self) {
        if self.floors.len() < self.crowded.max(FLOORS) {
            return;
        }
        let past = self.number.saturating_sub(WAITING_MAX);
        self.floors.retain(|_, floor| !matches!(floor, Floor::At(number) if *number < past));
        if self.floors.len() >= FLOORS_MAX {
            self.floors.retain(|_, floor| matches!(floor, Floor::At(_)));
        }
        self.crowded = (2 * self.floors.len()).min(FLOORS_MAX);
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Self { origin: ulid::Ulid::generate().to_string(), state: Mutex::default() }
    }

    /// The number of the next message, which is about this object.
    pub(super) fn tell(&self, key: &Key) -> u64 {
        let mut state = self.state.lock();
        state.number += 1;
        let last = state.number;
        state.told.insert(key.clone(), Told { last, waits: true });
        last
    }

    /// A message is looked at.
    pub(super) fn looked(&self, notice: &Notice) {
        let mut state = self.state.lock();
        let key = &notice.key;
        if notice.said.is_none() || notice.number <= state.begun {
            return;
        }
        // What was told before it was looked at before it, or refused.
        state.past.remove(key);
        if state.told.get(key).is_some_and(|told| told.last <= notice.number) {
            state.told.remove(key);
        }
        if !state.may_wait(key) && matches!(state.floors.get(key), Some(Floor::At(_))) {
            state.floors.remove(key);
        }
    }

    /// Whether messages of this object wait to be looked at, and no look at the whole hash took them in.
    pub(super) fn waits(&self, key: &Key) -> bool {
        self.state.lock().told.get(key).is_some_and(|told| told.waits)
    }

    /// Whether a message came before the last look at the whole hash.
    pub(super) fn is_old(&self, notice: &Notice) -> bool {
        if notice.said.is_none() {
            return false;
        }
        match self.state.lock().floors.get(&notice.key) {
            None => false,
            Some(Floor::Mark(_)) => true,
            Some(Floor::At(number)) => notice.number <= *number,
        }
    }

    /// Begins a look at a whole hash; the mark is to be published in it.
    pub(super) fn mark(&self, key: &Key) -> String {
        let mut state = self.state.lock();
        state.marks += 1;
        let mark = state.marks;
        state.make_room();
        state.floors.insert(key.clone(), Floor::Mark(mark));
        format!("{}:{mark}", self.origin)
    }

    /// The mark of a look has come: from here on messages of this object are new.
    pub(super) fn marked(&self, text: &str, keys: impl Fn(&str) -> Option<Key>) {
        let mut parts = text.splitn(3, ':');
        if parts.next() != Some(self.origin.as_str()) {
            return;
        }
        let mark = parts.next().and_then(|mark| mark.parse().ok());
        let (Some(mark), Some(flat)) = (mark, parts.next()) else { return };
        let Some(key) = keys(flat) else { return };
        let mut state = self.state.lock();
        let number = state.number;
        if state.floors.get(&key) != Some(&Floor::Mark(mark)) {
            return;
        }
        if let Some(told) = state.told.get_mut(&key) {
            // Those that were refused would be waited for for ever.
            told.waits = false;
        }
        if state.may_wait(&key) {
            state.floors.insert(key, Floor::At(number));
        } else {
            state.floors.remove(&key);
        }
    }

    /// The look was not made.
    pub(super) fn forget(&self, key: &Key) {
        self.state.lock().floors.remove(key);
    }

    /// A new connection: marks of the one before do not come any more.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        let State { number, floors, told, begun, past, .. } = &mut *state;
        *begun = *number;
        if past.len() + told.len() > WAITING_MAX as usize {
            past.clear();
        }
        // Those that were refused would be waited for for ever.
        past.extend(told.drain().map(|(key, _)| key));
        floors.retain(|key, floor| {
            *floor = Floor::At(*number);
            past.contains(key)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("default", "User", "a:b").unwrap()
    }

    fn user(n: u32) -> Key {
        Key::parse("default", "User", &n.to_string()).unwrap()
    }

    fn message(number: u64) -> Notice {
        Notice { key: key(), said: Some([("n".into(), number.to_string())].into()), number }
    }

    #[test]
    fn messages_before_a_look_are_old_and_those_after_its_mark_are_new() {
        let order = Order::new();
        let first = message(order.tell(&key()));
        assert!(!order.is_old(&first));
        let mark = format!("{}:user:a:b", order.mark(&key()));
        let second = message(order.tell(&key()));
        assert!(order.is_old(&first) && order.is_old(&second));
        let find = |flat: &str| (flat == "user:a:b").then(key);
        order.marked("somebody:1:user:a:b", find);
        assert!(order.is_old(&second));
        order.marked(&mark, find);
        let third = message(order.tell(&key()));
        assert!(order.is_old(&second) && !order.is_old(&third));
        assert!(!order.is_old(&Notice::compare(key())));
    }

    fn floors(order: &Order) -> usize {
        order.state.lock().floors.len()
    }

    #[test]
    fn nothing_is_remembered_of_objects_of_which_nothing_waits() {
        let order = Order::new();
        for n in 0..5_000 {
            let mark = format!("{}:user:{n}", order.mark(&user(n)));
            order.marked(&mark, |_| Some(user(n)));
        }
        assert_eq!(floors(&order), 0);
        let first = message(order.tell(&key()));
        let mark = format!("{}:user:a:b", order.mark(&key()));
        order.marked(&mark, |_| Some(key()));
        assert!(order.is_old(&first) && floors(&order) == 1);
        order.looked(&first);
        assert_eq!(floors(&order), 0);
        assert!(!order.is_old(&message(order.tell(&key()))));
    }

    #[test]
    fn a_message_that_was_refused_is_waited_for_until_a_look_or_a_later_message_took_its_place() {
        let order = Order::new();
        let first = message(order.tell(&key()));
        assert!(order.waits(&key()));
        // It may still come, and is old however often the hash is looked at.
        for _ in 0..2 {
            let mark = format!("{}:user:a:b", order.mark(&key()));
            order.marked(&mark, |_| Some(key()));
            assert!(!order.waits(&key()) && order.is_old(&first));
        }
        let (_refused, last) = (order.tell(&key()), message(order.tell(&key())));
        order.looked(&first);
        assert!(order.waits(&key()) && !order.is_old(&last));
        order.looked(&last);
        assert!(!order.waits(&key()) && floors(&order) == 0);
    }

    #[test]
    fn marks_that_never_come_fill_a_bounded_number_of_places() {
        let order = Order::new();
        for n in 0..200_000 {
            drop(order.mark(&user(n)));
            assert!(floors(&order) <= FLOORS_MAX);
        }
    }

    #[test]
    fn what_was_told_over_the_connection_before_stays_old_until_something_newer_is_looked_at() {
        let order = Order::new();
        let first = message(order.tell(&key()));
        order.begin();
        let mark = format!("{}:user:a:b", order.mark(&key()));
        order.marked(&mark, |_| Some(key()));
        assert!(order.is_old(&first));
        order.looked(&first);
        let second = message(order.tell(&key()));
        assert!(!order.is_old(&second));
        order.looked(&second);
        assert_eq!(floors(&order), 0);
    }

    #[test]
    fn a_new_connection_waits_for_no_mark_of_the_old_one() {
        let order = Order::new();
        let first = message(order.tell(&key()));
        drop(order.mark(&key()));
        order.begin();
        assert!(order.is_old(&first) && !order.is_old(&message(order.tell(&key()))));
    }
}
