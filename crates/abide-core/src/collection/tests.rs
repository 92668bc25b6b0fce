use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::*;

/// A field of a state whose changes somebody follows.
struct Field<C> {
    value: C,
    /// The encoding after the last take, and what a follower has made of the changes.
    before: Value,
    follower: Value,
    /// How many changes came as operations.
    told: usize,
}

impl<C: Collection + Serialize> Field<C> {
    fn new(value: C) -> Self {
        let mut field = Self { before: Value::Null, follower: Value::Null, told: 0, value };
        field.commit();
        field
    }

    /// What a turn's end does: takes the operations, encodes, and lets the follower apply the change.
    fn commit(&mut self) -> Vec<Operation> {
        let operations = self.value.take_operations("field");
        let after = encoded(&self.value);
        if operations.is_empty() {
            self.follower = after.clone();
        } else {
            self.told += 1;
            for operation in &operations {
                operation.apply(&mut self.follower).unwrap_or_else(|misfit| panic!("{misfit}"));
            }
        }
        assert_eq!(self.follower, after, "from {} by {operations:?}", self.before);
        self.before = after;
        operations
    }
}

fn encoded<T: Serialize>(value: &T) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn restored<C: DeserializeOwned + Collection>(value: Value) -> C {
    let mut value: C = serde_json::from_value(value).unwrap();
    value.take_operations("field");
    value
}

#[test]
fn a_counter_tells_how_far_it_moved() {
    let mut field = Field::new(Counter::new(5));
    field.value += 3;
    field.value -= 1;
    assert_eq!(field.commit(), [Operation::Add { by: 2 }]);
    assert_eq!(field.commit(), []);
    field.value.set(100);
    field.value.increment();
    assert_eq!(field.commit(), [], "a value that was set is sent whole");
    assert_eq!(field.value.decrement(), 100);
    assert_eq!(field.commit(), [Operation::Add { by: -1 }]);
    assert_eq!(field.before, json!(100));
}

#[test]
#[should_panic(expected = "a counter at 9223372036854775807 cannot move by 1")]
fn a_counter_that_would_overflow_panics_and_so_rolls_the_turn_back() {
    Counter::new(i64::MAX).increment();
}

#[test]
fn a_set_tells_what_came_and_what_left_and_keeps_its_order() {
    let mut field = Field::new(Set::from(["b", "a"].map(String::from)));
    assert!(field.value.insert("c".into()));
    assert!(!field.value.insert("a".into()));
    assert!(field.value.remove("b"));
    assert!(!field.value.remove("x"));
    let told = json!([{"op":"include","value":"c"},{"op":"exclude","value":"b"}]);
    assert_eq!(json!(field.commit()), told);
    assert_eq!(field.before, json!(["a", "c"]));
    assert!(!field.value.toggle("a".into()) && field.value.toggle("d".into()));
    field.value.retain(|value| value != "c");
    assert_eq!(field.commit().len(), 3);
    field.value.clear();
    assert_eq!(field.commit(), [Operation::Clear]);
    assert_eq!(Set::from([1, 2]), Set::from([2, 1]));
}

#[test]
fn a_map_tells_which_entries_were_set_and_removed_also_through_a_borrow() {
    let mut field = Field::new(Map::from([(1, "one".to_string()), (2, "two".to_string())]));
    field.value.get_mut(&1).unwrap().push('!');
    field.value.remove(&2);
    *field.value.get_or_default(3) = "three".into();
    let told = json!([
        {"op":"put","key":"1","value":"one!"}, {"op":"delete","key":"2"}, {"op":"put","key":"3","value":"three"}
    ]);
    assert_eq!(json!(field.commit()), told);
    field.value.clear();
    field.value.insert(4, "four".into());
    field.value.insert(5, "five".into());
    field.value.remove(&5);
    let told = json!([{"op":"clear"}, {"op":"put","key":"4","value":"four"}]);
    assert_eq!(json!(field.commit()), told);
    assert_eq!(field.before, json!({"4": "four"}));
}

#[test]
fn a_list_tells_what_came_left_and_was_replaced() {
    let mut field = Field::new(List::from(["a", "b"].map(String::from)));
    field.value[0].push('!');
    field.value[0].push('?');
    field.value.insert(1, "x".into());
    field.value.push("y".into());
    field.value.remove(2);
    let told = json!([
        {"op":"replace","at":0,"value":"a!?"}, {"op":"insert","at":1,"value":"x"},
        {"op":"insert","at":3,"value":"y"}, {"op":"remove","at":2}
    ]);
    assert_eq!(json!(field.commit()), told);
    assert_eq!(field.value, ["a!?", "x", "y"].map(String::from));
    field.value.swap(0, 2);
    assert_eq!(field.commit().len(), 2);
    field.value.sort();
    assert_eq!(field.commit(), [], "a sorted list is sent whole");
}

#[test]
fn a_value_that_was_replaced_whole_is_sent_whole_even_if_it_was_edited_then() {
    let mut field = Field::new(List::from([1, 2]));
    field.value = List::default();
    field.value.push(3);
    assert_eq!(field.commit(), []);
    field.value = field.value.clone();
    field.value.push(4);
    assert_eq!(field.commit(), []);
    field.value.push(5);
    assert_eq!(field.commit().len(), 1, "from then on it belongs to the field");
}

#[test]
fn a_value_of_another_field_is_sent_whole() {
    let (mut a, mut b) = (Counter::new(1), Counter::new(10));
    a.take_operations("a");
    b.take_operations("b");
    a += 1;
    std::mem::swap(&mut a, &mut b);
    b += 1;
    assert_eq!((a.take_operations("a"), b.take_operations("b")), (vec![], vec![]));
    assert_eq!((a.get(), b.get()), (10, 3));
}

#[test]
fn a_value_that_was_put_aside_for_a_turn_and_moved_back_is_sent_whole() {
    let mut field = Field::new(Set::from([1, 2]));
    let aside = vec![std::mem::take(&mut field.value)];
    field.commit();
    encoded(&aside);
    field.value = aside.into_iter().next().unwrap();
    field.value.insert(3);
    assert_eq!(field.commit(), []);
}

#[test]
fn a_value_taken_and_put_back_within_a_turn_still_tells_its_edits() {
    let mut field = Field::new(Set::from([1, 2]));
    let mut value = std::mem::take(&mut field.value);
    value.insert(3);
    field.value = value;
    assert_eq!(field.commit().len(), 1);
}

#[test]
fn an_optional_collection_tells_its_edits_while_it_is_there() {
    let mut field = Field::new(Some(Counter::new(1)));
    *field.value.as_mut().unwrap() += 1;
    assert_eq!(field.commit(), [Operation::Add { by: 1 }]);
    field.value = None;
    assert_eq!(field.commit(), []);
    field.value = Some(Counter::new(7));
    assert_eq!(field.commit(), []);
}

#[test]
fn edits_beyond_measure_are_given_up_for_the_whole_value() {
    let mut field = Field::new(List::default());
    field.value.extend(0..1000);
    assert_eq!(field.commit(), []);
    field.value.truncate(980);
    assert_eq!(field.commit().len(), 20);
    field.value.truncate(10);
    assert_eq!(field.commit(), []);

    let mut field = Field::new(Map::from_iter((0..300).map(|n| (n, n))));
    for key in 0..300 {
        *field.value.get_mut(&key).unwrap() += 1;
    }
    assert_eq!(field.commit(), []);
}

#[test]
fn floats_are_told_with_the_digits_of_the_encoded_state() {
    let mut field = Field::new(List::from([0.5f32]));
    field.value.push(0.1);
    assert_eq!(json!(field.commit()), json!([{"op":"insert","at":1,"value":0.1}]));
}

/// One thing a turn may do, or its end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u8, u8),
    Remove(u8),
    Edit(u8, u8),
    Shrink(u8),
    Clear,
    Replace(u8),
    Aside,
    Back,
    Commit,
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let few = 0u8..12;
    let step = prop_oneof![
        8 => (few.clone(), any::<u8>()).prop_map(|(at, value)| Step::Put(at, value)),
        4 => few.clone().prop_map(Step::Remove),
        4 => (few.clone(), any::<u8>()).prop_map(|(at, value)| Step::Edit(at, value)),
        1 => few.prop_map(Step::Shrink),
        1 => Just(Step::Clear),
        1 => any::<u8>().prop_map(Step::Replace),
        1 => Just(Step::Aside),
        1 => Just(Step::Back),
        8 => Just(Step::Commit),
        1 => Just(Step::Reload),
    ];
    proptest::collection::vec(step, 0..60)
}

/// A collection that the random test can edit.
trait Edited: Collection + Serialize + DeserializeOwned + Default + Clone {
    fn edit(&mut self, step: Step);
    fn fresh(seed: u8) -> Self;
}

impl Edited for Counter {
    fn edit(&mut self, step: Step) {
        match step {
            Step::Put(by, _) => *self += i64::from(by),
            Step::Remove(by) => *self -= i64::from(by),
            Step::Edit(_, value) => self.set(value.into()),
            _ => {}
        }
    }
    fn fresh(seed: u8) -> Self {
        i64::from(seed).into()
    }
}

impl Edited for Set<u8> {
    fn edit(&mut self, step: Step) {
        match step {
            Step::Put(value, _) => drop(self.insert(value)),
            Step::Remove(value) => drop(self.remove(&value)),
            Step::Edit(value, _) => drop(self.toggle(value)),
            Step::Shrink(factor) => self.retain(|value| value % 3 != factor % 3),
            Step::Clear => self.clear(),
            _ => {}
        }
    }
    fn fresh(seed: u8) -> Self {
        (0..seed % 8).collect()
    }
}

impl Edited for Map<u8, Vec<u8>> {
    fn edit(&mut self, step: Step) {
        match step {
            Step::Put(key, value) => drop(self.insert(key, vec![value])),
            Step::Remove(key) => drop(self.remove(&key)),
            Step::Edit(key, value) if value % 2 == 0 => self.get_or_default(key).push(value),
            Step::Edit(key, value) => drop(self.get_mut(&key).map(|all| all.push(value))),
            Step::Shrink(factor) if factor % 4 == 0 => self.values_mut().for_each(Vec::clear),
            Step::Shrink(factor) => self.retain(|key, _| key % 3 != factor % 3),
            Step::Clear => self.clear(),
            _ => {}
        }
    }
    fn fresh(seed: u8) -> Self {
        (0..seed % 8).map(|key| (key, vec![])).collect()
    }
}

impl Edited for List<u8> {
    fn edit(&mut self, step: Step) {
        match step {
            Step::Put(at, value) if usize::from(at) <= self.len() => self.insert(at.into(), value),
            Step::Put(_, value) => self.push(value),
            Step::Remove(at) if usize::from(at) < self.len() => drop(self.remove(at.into())),
            Step::Remove(_) => drop(self.pop()),
            Step::Edit(at, value) if value % 4 == 0 && self.len() > 1 => {
                let len = self.len();
                self.swap(usize::from(at) % len, usize::from(value) % len);
            }
            Step::Edit(at, value) => drop(self.get_mut(at.into()).map(|place| *place = value)),
            Step::Shrink(0) => self.sort(),
            Step::Shrink(len) if len % 2 == 0 => self.truncate(len.into()),
            Step::Shrink(factor) => self.retain(|value| value % 3 != factor % 3),
            Step::Clear => self.clear(),
            _ => {}
        }
    }
    fn fresh(seed: u8) -> Self {
        (0..seed % 8).collect()
    }
}

/// Runs the steps; every commit checks that the follower has the value. Answers how many changes came
/// as operations.
fn follow<C: Edited>(steps: &[Step]) -> usize {
    let mut field = Field::new(C::default());
    let mut aside: Vec<C> = Vec::new();
    for step in steps {
        match *step {
            Step::Replace(seed) if seed % 2 == 0 => field.value = field.value.clone(),
            Step::Replace(seed) => field.value = C::fresh(seed),
            Step::Aside => aside.push(std::mem::take(&mut field.value)),
            Step::Back => field.value = aside.pop().unwrap_or_default(),
            Step::Commit => {
                encoded(&aside);
                field.commit();
            }
            Step::Reload => {
                let stored = encoded(&aside);
                field.commit();
                field.value = restored(field.before.clone());
                aside = serde_json::from_value(stored).unwrap();
            }
            edit => field.value.edit(edit),
        }
    }
    field.commit();
    field.told
}

proptest! {
    #[test]
    fn whoever_applies_the_operations_of_a_counter_has_its_value(steps in steps()) {
        follow::<Counter>(&steps);
    }

    #[test]
    fn whoever_applies_the_operations_of_a_set_has_its_value(steps in steps()) {
        follow::<Set<u8>>(&steps);
    }

    #[test]
    fn whoever_applies_the_operations_of_a_map_has_its_value(steps in steps()) {
        follow::<Map<u8, Vec<u8>>>(&steps);
    }

    #[test]
    fn whoever_applies_the_operations_of_a_list_has_its_value(steps in steps()) {
        follow::<List<u8>>(&steps);
    }
}

#[test]
fn ordinary_edits_are_all_told_as_operations() {
    let turn = [Step::Put(3, 1), Step::Put(5, 2), Step::Remove(3), Step::Commit];
    let steps: Vec<Step> = turn.into_iter().cycle().take(4 * 20).collect();
    // The last commit, after the steps, has nothing to tell.
    for told in [
        follow::<Counter>(&steps),
        follow::<Set<u8>>(&steps),
        follow::<Map<u8, Vec<u8>>>(&steps),
        follow::<List<u8>>(&steps),
    ] {
        assert!(told >= 18, "{told}");
    }
}
