//! Where everybody is, and how they get there.

use std::collections::BTreeMap;

/// The arena's width, in its own units.
pub const WIDTH: f32 = 1000.0;
/// The arena's height.
pub const HEIGHT: f32 = 600.0;

const RADIUS: f32 = 22.0;
const REACH: f32 = 32.0;
const PUSH: f32 = 1.6;
const DRAG: f32 = 0.9;
const BOUNCE: f32 = -0.6;
const SPARKS: usize = 7;

/// A player's body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) at: (f32, f32),
    pub(crate) speed: (f32, f32),
    /// Where it is steered: a vector of length 1 at most.
    pub(crate) steer: (f32, f32),
    /// For how many ticks nothing was heard of its player.
    pub(crate) silent: u32,
}

/// Everything that moves.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) tick: u64,
    pub(crate) bodies: BTreeMap<String, Body>,
    pub(crate) sparks: Vec<(f32, f32)>,
}

impl World {
    /// One step; who caught how many sparks. `place` gives a place by chance.
    pub(crate) fn step(&mut self, mut place: impl FnMut() -> (f32, f32)) -> Vec<String> {
        self.tick += 1;
        for body in self.bodies.values_mut() {
            body.silent += 1;
            body.step();
        }
        self.part();
        let mut caught = Vec::new();
        for (name, body) in &self.bodies {
            let before = self.sparks.len();
            self.sparks.retain(|spark| distance(*spark, body.at) > REACH);
            caught.extend(std::iter::repeat_n(name.clone(), before - self.sparks.len()));
        }
        while self.sparks.len() < SPARKS {
            self.sparks.push(place());
        }
        caught
    }

    /// Pushes apart those who touch.
    fn part(&mut self) {
        let mut bodies: Vec<_> = self.bodies.values_mut().collect();
        for one in 1..bodies.len() {
            let (before, rest) = bodies.split_at_mut(one);
            let this = &mut rest[0];
            for other in before {
                let (dx, dy) = (this.at.0 - other.at.0, this.at.1 - other.at.1);
                let apart = dx.hypot(dy).max(0.01);
                let overlap = 2.0 * RADIUS - apart;
                if overlap > 0.0 {
                    let (x, y) = (dx / apart * overlap / 2.0, dy / apart * overlap / 2.0);
                    this.shove(x, y);
                    other.shove(-x, -y);
                }
            }
        }
    }
}

impl Body {
    fn step(&mut self) {
        self.speed.0 = (self.speed.0 + self.steer.0 * PUSH) * DRAG;
        self.speed.1 = (self.speed.1 + self.steer.1 * PUSH) * DRAG;
        self.at.0 += self.speed.0;
        self.at.1 += self.speed.1;
        wall(&mut self.at.0, &mut self.speed.0, WIDTH);
        wall(&mut self.at.1, &mut self.speed.1, HEIGHT);
    }

    fn shove(&mut self, x: f32, y: f32) {
        self.at = (self.at.0 + x, self.at.1 + y);
        self.speed = (self.speed.0 + x, self.speed.1 + y);
    }
}

fn wall(at: &mut f32, speed: &mut f32, end: f32) {
    let inside = at.clamp(RADIUS, end - RADIUS);
    if (inside - *at).abs() > f32::EPSILON {
        *at = inside;
        *speed *= BOUNCE;
    }
}

fn distance(a: (f32, f32), b: (f32, f32)) -> f32 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, where it is and where it steers.
    type Placed<'n> = (&'n str, (f32, f32), (f32, f32));

    fn world(bodies: &[Placed<'_>]) -> World {
        let body = |at, steer| Body { at, steer, ..Body::default() };
        let bodies = bodies.iter().map(|(name, at, steer)| ((*name).into(), body(*at, *steer))).collect();
        World { bodies, ..World::default() }
    }

    #[test]
    fn who_reaches_a_spark_has_it_and_another_appears() {
        let mut world = world(&[("ada", (100.0, 100.0), (0.0, 0.0))]);
        world.sparks = vec![(110.0, 100.0), (500.0, 500.0)];
        assert_eq!(world.step(|| (900.0, 300.0)), ["ada"]);
        assert_eq!(world.sparks.len(), SPARKS);
    }

    #[test]
    fn nobody_leaves_the_arena() {
        let mut world = world(&[("ada", (100.0, 100.0), (-1.0, 0.5)), ("bob", (900.0, 500.0), (1.0, 1.0))]);
        for _ in 0..500 {
            world.step(|| (500.0, 300.0));
            for body in world.bodies.values() {
                assert!((RADIUS..=WIDTH - RADIUS).contains(&body.at.0) && body.at.1 <= HEIGHT - RADIUS, "{body:?}");
            }
        }
    }

    #[test]
    fn those_who_touch_are_pushed_apart() {
        let mut world = world(&[("ada", (300.0, 300.0), (0.0, 0.0)), ("bob", (310.0, 300.0), (0.0, 0.0))]);
        world.step(|| (900.0, 500.0));
        let at: Vec<_> = world.bodies.values().map(|body| body.at).collect();
        assert!(distance(at[0], at[1]) >= 2.0 * RADIUS - 0.1, "{at:?}");
    }
}
