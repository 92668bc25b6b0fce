//! What befalls the world.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::{plan::Disturbance, scene::Scene};
use crate::{
    dice::Dice,
    world::{Faults, InFlight, Up, spawn},
};

/// Disturbs the world as often as planned.
pub(crate) async fn disturb(scene: Arc<Scene>, mut dice: Dice) {
    for _ in 0..scene.plan.disturbances {
        sleep(dice.millis(20..=1_500)).await;
        let kind = *dice.pick(&scene.plan.kinds);
        befall(&scene, &mut dice, kind).await;
    }
}

async fn befall(scene: &Arc<Scene>, dice: &mut Dice, kind: Disturbance) {
    let Some(up) = scene.host.up() else { return };
    match kind {
        Disturbance::Crash => {
            scene.host.crash(&up, in_flight(dice, &up));
            sleep(dice.millis(0..=1_000)).await;
            start(scene).await;
        }
        Disturbance::Zombie => {
            scene.zombies.lock().push(up.clone());
            start(scene).await;
            let (scene, rest) = (scene.clone(), dice.millis(0..=3_000));
            let end = in_flight(dice, &up);
            spawn(async move {
                sleep(rest).await;
                scene.zombies.lock().retain(|zombie| !Arc::ptr_eq(zombie, &up));
                scene.host.crash(&up, end);
            });
        }
        Disturbance::Restart => {
            // A stop that does not finish in time ends like a crash.
            let _ = scene.host.stop(&up).await;
            sleep(dice.millis(0..=300)).await;
            start(scene).await;
        }
        Disturbance::Faults => scene.disk.set_faults(Faults::random(dice)),
        Disturbance::Sound => scene.disk.set_faults(Faults::slow()),
        Disturbance::Jump => {
            let by_ms = *dice.pick(&[-120_000, -5_000, -300, 300, 5_000, 120_000]);
            scene.trace.line(format_args!("clock: jumps by {by_ms} ms"));
            scene.clock.jump(by_ms);
        }
        Disturbance::Evict => {
            scene.trace.line(format_args!("node {}: evicts", up.number));
            up.node.evict_idle();
        }
        Disturbance::Hibernate => {
            scene.trace.line(format_args!("node {}: hibernates", up.number));
            up.node.hibernate_all();
        }
    }
}

/// Starts a node; if nothing reaches the store for long, the store comes back first.
async fn start(scene: &Arc<Scene>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    if timeout(PATIENCE, scene.host.start()).await.is_err() {
        scene.disk.set_faults(Faults::slow());
        scene.host.start().await;
    }
}

/// What becomes of batches on their way when a node ends.
fn in_flight(dice: &mut Dice, up: &Up) -> InFlight {
    if dice.chance(0.4) {
        return InFlight::Delayed;
    }
    let count = dice.below(up.in_flight() as u64 + 1);
    InFlight::Applied(usize::try_from(count).unwrap_or(0))
}

/// Ends all disturbance: a sound store, a settled clock, one node.
pub(crate) async fn heal(scene: &Arc<Scene>) {
    scene.trace.line(format_args!("the world heals"));
    scene.disk.set_faults(Faults::slow());
    scene.clock.settle();
    let zombies = std::mem::take(&mut *scene.zombies.lock());
    for zombie in zombies {
        scene.host.crash(&zombie, InFlight::Delayed);
    }
    if scene.host.up().is_none() {
        scene.host.start().await;
    }
    sleep(Duration::from_secs(1)).await;
}

/// Ends all change, so that what is judged does not move: alarms that repeat and hooks go on for ever.
pub(crate) async fn freeze(scene: &Arc<Scene>) {
    scene.trace.line(format_args!("the world freezes"));
    scene.disk.set_faults(Faults { commits_fail: 1.0, ..Faults::none() });
    sleep(Duration::from_secs(1)).await;
}
