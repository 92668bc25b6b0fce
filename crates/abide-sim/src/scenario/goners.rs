//! What is left of objects that are gone: from the store, or from memory.

use std::collections::BTreeSet;

use abide_core::state::decode;
use abide_node::Object;

use super::{
    kinds::{Graveyard, Scratch},
    records::Records,
    scene::Scene,
    verdict::load,
};
use crate::check::{Fault, Finding, Promise, Violation, effects};

fn graveyard(scene: &Scene) -> Graveyard {
    let state = load(scene, Graveyard::KIND, "g").and_then(|loaded| loaded.state);
    state.and_then(|state| decode(state.as_str()).ok()).map_or_else(Graveyard::default, |(graveyard, _)| graveyard)
}

/// First turns that deleted their own object: their message came through once.
pub(super) fn flashes(scene: &Scene, records: &Records) -> Result<(), Violation> {
    effects::check("the flashes", &records.flashes, &graveyard(scene).flashes)
}

/// Every life that is over was buried, once; none was buried that goes on.
pub(super) fn lives(scene: &Scene, records: &Records) -> Result<(), Violation> {
    let buried = graveyard(scene).lives;
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for life in &buried {
        if !seen.insert(*life) {
            findings.push(finding("Graveyard/g", Fault::Duplicate, format!("life {life} was buried twice")));
        }
    }
    let ids = records.scratches.keys().chain(records.lives.iter().map(|(id, _)| id));
    let alive: BTreeSet<u64> = ids.filter_map(|id| life(scene, id)).collect();
    let too_early = alive.intersection(&seen);
    findings
        .extend(too_early.map(|life| finding("Graveyard/g", Fault::Early, format!("life {life} was buried alive"))));
    let told: BTreeSet<&(&str, u64)> = records.lives.iter().collect();
    let lost = told.into_iter().filter(|(_, life)| !seen.contains(life) && !alive.contains(life));
    findings.extend(lost.map(|(id, life)| {
        let evidence = format!("its life {life} is over, but on_delete buried nothing");
        finding(&format!("Scratch/{id}"), Fault::Missing, evidence)
    }));
    Violation::unless_empty(findings)
}

fn finding(object: &str, fault: Fault, evidence: String) -> Finding {
    Finding { promise: Promise::LastWords, fault, object: object.to_owned(), evidence }
}

fn life(scene: &Scene, id: &str) -> Option<u64> {
    let (scratch, _) = decode::<Scratch>(load(scene, Scratch::KIND, id)?.state?.as_str()).ok()?;
    Some(scratch.life)
}

/// Where nothing is lost, an object that came into memory again had left it, and what it did then is stored.
pub(super) fn unwritten(scene: &Scene, name: &str, came: u64, left: u64) -> Result<(), Violation> {
    let lost = came > left + 1 && !scene.plan.loses_what_is_not_durable();
    let evidence = format!("it came into memory {came} times and left it {left} times: what it did last is lost");
    Violation::unless_empty(lost.then(|| finding(name, Fault::Missing, evidence)).into_iter().collect())
}
