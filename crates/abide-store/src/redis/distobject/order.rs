//! Which messages say something new.

use std::collections::HashMap;

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
    floors: HashMap<Key, Floor>,
    /// Messages that were told and not yet looked at.
    told: HashMap<Key, u32>,
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

impl Order {
    pub(super) fn new() -> Self {
        Self { origin: ulid::Ulid::generate().to_string(), state: Mutex::default() }
    }

    /// The number of the next message, which is about this object.
    pub(super) fn tell(&self, key: &Key) -> u64 {
        let mut state = self.state.lock();
        state.number += 1;
        *state.told.entry(key.clone()).or_default() += 1;
        state.number
    }

    /// A message is looked at.
    pub(super) fn looked(&self, notice: &Notice) {
        let mut state = self.state.lock();
        if let (Some(told), Some(_)) = (state.told.get_mut(&notice.key), &notice.said) {
            *told -= 1;
            if *told == 0 {
                state.told.remove(&notice.key);
            }
        }
    }

    /// Whether messages of this object wait to be looked at.
    pub(super) fn waits(&self, key: &Key) -> bool {
        self.state.lock().told.contains_key(key)
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
        if state.floors.len() >= FLOORS {
            let past = state.number.saturating_sub(WAITING_MAX);
            state.floors.retain(|_, floor| !matches!(floor, Floor::At(number) if *number < past));
        }
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
        if state.floors.get(&key) == Some(&Floor::Mark(mark)) {
            state.floors.insert(key, Floor::At(number));
        }
    }

    /// The look was not made.
    pub(super) fn forget(&self, key: &Key) {
        self.state.lock().floors.remove(key);
    }

    /// A new connection: marks of the one before do not come any more.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        let number = state.number;
        // Those that were refused would be waited for for ever.
        state.told.clear();
        state.floors.values_mut().for_each(|floor| *floor = Floor::At(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("default", "User", "a:b").unwrap()
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

    #[test]
    fn a_new_connection_waits_for_no_mark_of_the_old_one() {
        let order = Order::new();
        let first = message(order.tell(&key()));
        drop(order.mark(&key()));
        order.begin();
        assert!(order.is_old(&first) && !order.is_old(&message(order.tell(&key()))));
    }
}
