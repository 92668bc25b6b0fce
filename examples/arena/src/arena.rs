//! The object: who plays, the clock that ticks, and what is told about it.

use std::{collections::BTreeMap, time::Duration};

use abide::{collection::Map, prelude::*};
use rand::RngExt;

use crate::physics::{Body, HEIGHT, WIDTH, World};

/// The time between two ticks.
pub const TICK: Duration = Duration::from_millis(50);

const PLAYERS_MAX: usize = 16;
const NAME_MAX: usize = 24;
/// So many sparks win a round.
const GOAL: u32 = 20;
/// Who is not heard of for so many ticks has left.
const SILENT_MAX: u32 = 160;

/// Why somebody does not play. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A name has 1 to 24 characters.
    Name,
    /// Somebody plays under this name.
    Taken,
    /// There are 16 players, as many as it takes.
    Full,
}

/// What became of coming in. It is an answer and no error: an error takes the turn back, and with it
/// what is not stored, which is where everybody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// The player is in, under this colour in degrees.
    Hue(u16),
    /// The player is not in.
    Refused(Refusal),
}

/// One player, as the others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    /// Its colour, in degrees.
    hue: u16,
    /// The sparks of this round.
    score: u32,
    /// The rounds it won.
    wins: u32,
}

/// Who plays; where they are is not stored.
#[derive(Debug, Default, State)]
pub struct Arena {
    players: Map<String, Player>,
    last_winner: Option<String>,
    #[state(skip)]
    world: World,
    /// What each player knows that others do not, so that nobody steers another.
    #[state(skip)]
    secrets: BTreeMap<String, String>,
}

/// Players chase sparks, 20 ticks a second. It lives in memory alone, and rests when nobody plays.
#[object(durability = "volatile", history = "none")]
impl Arena {
    /// Comes in, or comes back: `secret` is what the player made up, and later steers with.
    #[handler]
    pub fn join(&mut self, ctx: &mut Context, name: String, secret: String) -> Joined {
        let name = name.trim().to_owned();
        if !(1..=NAME_MAX).contains(&name.chars().count()) || secret.len() > 64 {
            return Joined::Refused(Refusal::Name);
        }
        if let Some(known) = self.secrets.get(&name) {
            let hue = self.players.get(&name).map_or(0, |player| player.hue);
            return if *known == secret { Joined::Hue(hue) } else { Joined::Refused(Refusal::Taken) };
        }
        if self.players.len() >= PLAYERS_MAX {
            return Joined::Refused(Refusal::Full);
        }
        if self.players.is_empty() {
            ctx.timer_every("tick", TICK);
        }
        let hue = self.free_hue();
        let body = Body { at: place(ctx), ..Body::default() };
        self.world.bodies.insert(name.clone(), body);
        self.secrets.insert(name.clone(), secret);
        self.players.insert(name, Player { hue, score: 0, wins: 0 });
        Joined::Hue(hue)
    }

    /// Steers: `dx` and `dy` from -1 to 1. Whether the player is in the arena.
    #[handler]
    pub fn steer(&mut self, name: String, secret: String, dx: f32, dy: f32) -> bool {
        let is_known = self.secrets.get(&name) == Some(&secret);
        let Some(body) = self.world.bodies.get_mut(&name).filter(|_| is_known) else { return false };
        let length = dx.hypot(dy);
        if length.is_finite() {
            let by = length.max(1.0);
            body.steer = (dx / by, dy / by);
        }
        body.silent = 0;
        true
    }

    /// Leaves.
    #[handler]
    pub fn leave(&mut self, ctx: &mut Context, name: String, secret: String) {
        if self.secrets.get(&name) == Some(&secret) {
            self.remove(ctx, &name);
        }
    }

    /// Moves everybody and tells where they are.
    #[alarm]
    fn tick(&mut self, ctx: &mut Context) {
        for name in self.world.step(|| place(ctx)) {
            self.score(ctx, &name);
        }
        let silent = self.world.bodies.iter().filter(|(_, body)| body.silent > SILENT_MAX);
        for name in Vec::from_iter(silent.map(|(name, _)| name.clone())) {
            self.remove(ctx, &name);
        }
        let at = |at: (f32, f32)| [at.0.round(), at.1.round()];
        let bodies: BTreeMap<_, _> = self.world.bodies.iter().map(|(name, body)| (name, at(body.at))).collect();
        let sparks: Vec<_> = self.world.sparks.iter().map(|spark| at(*spark)).collect();
        ctx.broadcast(json!({"tick": self.world.tick, "bodies": bodies, "sparks": sparks}));
    }

    fn score(&mut self, ctx: &mut Context, name: &str) {
        let Some(player) = self.players.get_mut(name) else { return };
        player.score += 1;
        if player.score < GOAL {
            return;
        }
        player.wins += 1;
        self.last_winner = Some(name.to_owned());
        ctx.emit("Won", json!({"name": name}));
        for player in self.players.values_mut() {
            player.score = 0;
        }
    }

    fn remove(&mut self, ctx: &mut Context, name: &str) {
        self.players.remove(name);
        self.world.bodies.remove(name);
        self.secrets.remove(name);
        if self.players.is_empty() {
            ctx.cancel_timer("tick");
        }
    }

    /// A colour far from those that are taken.
    fn free_hue(&self) -> u16 {
        let far = |hue: u16| {
            let apart = |other: u16| hue.abs_diff(other).min(360 - hue.abs_diff(other));
            self.players.values().map(|player| apart(player.hue)).min().unwrap_or(360)
        };
        (0..24).map(|step| (170 + step * 15) % 360).max_by_key(|hue| (far(*hue), u16::MAX - hue)).unwrap_or_default()
    }
}

/// A place by chance.
fn place(ctx: &mut Context) -> (f32, f32) {
    let rng = ctx.rng();
    (rng.random_range(60.0..WIDTH - 60.0), rng.random_range(60.0..HEIGHT - 60.0))
}
