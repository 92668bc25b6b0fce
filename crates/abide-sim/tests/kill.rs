//! The kill loop itself: real code survives it, broken code does not.
#![cfg(feature = "cli")]

use abide_sim::{
    kill::{KillOptions, KillReport, KillStore, run_rounds},
    scenario::Mutation,
};

fn run(store: KillStore, rounds: u64, mutation: Option<Mutation>) -> KillReport {
    let directory = tempfile::tempdir().expect("a directory for the file");
    let options = KillOptions {
        store,
        rounds,
        seed: 1,
        program: env!("CARGO_BIN_EXE_abide-kill").into(),
        directory: directory.path().to_owned(),
        life_ms_max: 200,
        mutation,
    };
    run_rounds(&options, |_| {}).expect("the loop runs")
}

#[test]
fn a_killed_process_keeps_what_it_acknowledged() {
    let report = run(KillStore::Sqlite, 5, None);
    assert_eq!(report.failures, []);
    assert_eq!((report.passed, report.restarts.len()), (5, 5));
    assert!(report.answered > 50, "{report:?}");
    assert!(report.alarms > 0 && report.messages > 0, "{report:?}");
}

#[test]
fn a_process_that_answers_before_it_is_durable_is_caught() {
    let report = run(KillStore::Sqlite, 20, Some("NoGate".parse().expect("a mutant")));
    assert_ne!(report.failures, []);
}
