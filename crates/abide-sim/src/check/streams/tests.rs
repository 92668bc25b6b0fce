use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;
use crate::check::testing::{config, pick};

/// An object's log and what one watcher of it received.
#[derive(Debug, Clone)]
struct World {
    /// The state at each seq, from 0.
    states: Vec<Value>,
    watch: Watch,
}

impl World {
    fn check(&self) -> Result<(), Violation> {
        let seq = self.states.len() - 1;
        check("Doc/a", &self.watch, seq as u64, &self.states[seq], replace_fields)
    }

    /// The items for which `wanted` holds of them and the one after them, by index.
    fn items(&self, wanted: impl Fn(&StreamItem, Option<&StreamItem>) -> bool) -> Vec<usize> {
        let items = &self.watch.items;
        (0..items.len()).filter(|at| wanted(&items[*at], items.get(at + 1))).collect()
    }

    /// Changes whose loss nothing makes up for: those that no reset follows at once.
    fn needed_changes(&self) -> Vec<usize> {
        self.items(|item, next| is_change(item) && !matches!(next, Some(StreamItem::Reset { .. })))
    }
}

fn is_change(item: &StreamItem) -> bool {
    matches!(item, StreamItem::Change { .. })
}

fn change(seq: u64, patch: Value) -> StreamItem {
    StreamItem::Change { seq, patch }
}

/// Streams as they should be: every change, or now and then a reset to where the object is by then.
fn worlds() -> impl Strategy<Value = World> {
    let patch = (0..4_u32, any::<i8>()).prop_map(|(field, value)| json!({ format!("field{field}"): value }));
    let skips = prop::collection::vec(prop::option::weighted(0.15, 0..5_usize), 1..40);
    (prop::collection::vec(patch, 1..40), any::<Index>(), skips).prop_map(|(patches, start, skips)| {
        let mut states = vec![json!({})];
        for patch in &patches {
            let mut state = states[states.len() - 1].clone();
            replace_fields(&mut state, patch).unwrap();
            states.push(state);
        }
        let start = start.index(states.len());
        let (mut at, mut items) = (start, Vec::new());
        for skip in skips.iter().cycle() {
            if at == patches.len() {
                break;
            }
            if let Some(skipped) = skip {
                at = (at + skipped).min(patches.len());
                items.push(StreamItem::Reset { seq: at as u64, state: states[at].clone() });
            }
            if at < patches.len() {
                items.push(change(at as u64 + 1, patches[at].clone()));
                at += 1;
            }
        }
        let watch = Watch { watcher: "w1".to_owned(), seq: start as u64, state: states[start].clone(), items };
        World { states, watch }
    })
}

/// Asserts that this fault is found, first.
fn found(world: &World, faults: &[Fault]) -> Result<(), TestCaseError> {
    let Err(violation) = world.check() else {
        return Err(TestCaseError::fail(format!("{faults:?} was not found")));
    };
    prop_assert!(faults.contains(&violation.findings()[0].fault), "{}", violation);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_stream_that_is_dense_or_says_reset_passes(world in worlds()) {
        prop_assert_eq!(world.check(), Ok(()));
    }

    #[test]
    fn a_dropped_change_is_found(mut world in worlds(), which: Index) {
        let at = pick(&world.needed_changes(), which)?;
        world.watch.items.remove(at);
        found(&world, &[Fault::Gap, Fault::Missing])?;
    }

    #[test]
    fn a_repeated_change_is_found(mut world in worlds(), which: Index) {
        let at = pick(&world.items(|item, _| is_change(item)), which)?;
        world.watch.items.insert(at, world.watch.items[at].clone());
        found(&world, &[Fault::Duplicate])?;
    }

    #[test]
    fn a_change_repeated_later_is_found(mut world in worlds(), which: Index, to: Index) {
        let at = pick(&world.items(|item, _| is_change(item)), which)?;
        let after = at + 1 + to.index(world.watch.items.len() - at);
        world.watch.items.insert(after, world.watch.items[at].clone());
        found(&world, &[Fault::Duplicate, Fault::OutOfOrder])?;
    }

    #[test]
    fn changes_in_the_wrong_order_are_found(mut world in worlds(), which: Index) {
        let at = pick(&world.items(|item, next| is_change(item) && next.is_some_and(is_change)), which)?;
        world.watch.items.swap(at, at + 1);
        found(&world, &[Fault::Gap])?;
    }

    #[test]
    fn a_change_that_never_was_is_found(mut world in worlds()) {
        world.watch.items.push(change(world.states.len() as u64, json!({})));
        found(&world, &[Fault::Invented])?;
    }

    #[test]
    fn a_reset_into_the_past_is_found(mut world in worlds(), which: Index, to: Index) {
        let at = pick(&world.items(|item, _| is_change(item)), which)?;
        let StreamItem::Change { seq, .. } = world.watch.items[at] else { unreachable!() };
        let back = to.index(seq as usize);
        let reset = StreamItem::Reset { seq: back as u64, state: world.states[back].clone() };
        world.watch.items.insert(at + 1, reset);
        found(&world, &[Fault::OutOfOrder])?;
    }

    #[test]
    fn a_view_that_drifts_from_the_object_is_found(mut world in worlds(), which: Index) {
        let resets = world.items(|item, _| !is_change(item));
        let since = resets.last().copied().unwrap_or(0);
        let lasting = world.items(|item, _| is_change(item)).into_iter().filter(|at| *at >= since);
        let at = pick(&lasting.collect::<Vec<_>>(), which)?;
        if let StreamItem::Change { patch, .. } = &mut world.watch.items[at] {
            patch["drift"] = json!(true);
        }
        found(&world, &[Fault::WrongState])?;
    }
}

fn watch(state: Value, items: Vec<StreamItem>) -> Watch {
    Watch { watcher: "w1".to_owned(), seq: 0, state, items }
}

#[test]
fn the_evidence_names_the_watcher_and_the_expected_change() {
    let watch = watch(json!({}), vec![change(1, json!({"n": 1})), change(3, json!({"n": 3}))]);
    assert_eq!(
        check("Doc/a", &watch, 3, &json!({"n": 3}), replace_fields).unwrap_err().to_string(),
        "promise 5 (every stream is gap-free, or says reset): broken for Doc/a, watched by w1\n  \
           gap: item 2 is change 3, expected 2 or a reset"
    );
}

#[test]
fn the_evidence_names_the_fields_that_differ() {
    let watch = watch(json!({"same": 0, "extra": 1}), vec![change(1, json!({"deep": {"a": 1}}))]);
    let violation = check("Doc/a", &watch, 1, &json!({"same": 0, "deep": {"a": 2}, "more": 3}), replace_fields);
    let text = violation.unwrap_err().to_string();
    for part in ["/deep/a is 1, should be 2", "/extra is 1, should not be there", "/more is not there, should be 3"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_patch_that_does_not_apply_is_found() {
    let watch = watch(json!({}), vec![change(1, json!(7))]);
    let violation = check("Doc/a", &watch, 1, &json!({}), replace_fields).unwrap_err();
    assert!(violation.has(Fault::WrongState) && violation.to_string().contains("does not apply"), "{violation}");
}

#[test]
fn a_watcher_of_a_quiet_object_receives_nothing() {
    assert_eq!(check("Doc/a", &watch(json!({"n": 1}), Vec::new()), 0, &json!({"n": 1}), replace_fields), Ok(()));
}
