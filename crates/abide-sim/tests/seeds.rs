//! The simulation itself: it replays, real code passes it, broken code does not.

use abide_sim::{
    check::Promise,
    scenario::{Mutation, Settings, run_seed},
};

#[test]
fn a_seed_replays_event_by_event() {
    for seed in 1_000_000..1_000_060 {
        let first = run_seed(seed, Settings { trace: true, ..Settings::default() });
        let second = run_seed(seed, Settings::default());
        let third = std::thread::spawn(move || run_seed(seed, Settings { trace: true, ..Settings::default() }));
        let third = third.join().expect("a seed does not panic");
        assert_eq!(first.lines, third.lines, "seed {seed}");
        assert_eq!((first.hash, first.hash), (second.hash, third.hash), "seed {seed}");
        assert!(first.lines.len() > 20);
    }
}

#[test]
fn different_seeds_are_different_worlds() {
    let hash = |seed| run_seed(seed, Settings::default()).hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn the_node_keeps_its_promises() {
    for seed in 0..150 {
        let report = run_seed(seed, Settings::default());
        assert!(report.passed(), "seed {seed}: {}", report.failure());
    }
}

#[test]
fn every_mutant_is_caught_by_the_checkers_of_what_it_breaks_within_a_hundred_seeds() {
    for mutation in Mutation::ALL {
        let settings = Settings { mutation: Some(mutation), ..Settings::default() };
        let mut unseen = mutation.breaks().to_vec();
        for seed in 0..100 {
            if unseen.is_empty() {
                break;
            }
            let report = run_seed(seed, settings);
            unseen.retain(|promise| report.proof_of(*promise).is_none());
        }
        assert_eq!(unseen, [], "{mutation}: {}", mutation.describe());
    }
}

#[test]
fn every_promise_is_broken_by_a_mutant() {
    for promise in Promise::ALL {
        assert!(Mutation::ALL.iter().any(|mutation| mutation.breaks().contains(&promise)), "{promise}");
    }
}
