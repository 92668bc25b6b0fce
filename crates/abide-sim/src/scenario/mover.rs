//! Clients that move amounts between purses in transactions, and look at all of them in one.

use std::{sync::Arc, time::Duration};

use abide_core::Error;
use abide_node::{HasKey, Object};
use tokio::time::{sleep, timeout};

use super::{kinds::Purse, records::attempt, scene::Ask, scene::Scene};
use crate::{check::Outcome, dice::Dice, world::Up};

/// The purses: few, so that transfers meet.
pub(crate) const PURSES: [&str; 4] = ["p", "q", "r", "s"];

/// One client with its own randomness.
pub(crate) struct Mover {
    pub(crate) scene: Arc<Scene>,
    pub(crate) number: u64,
    pub(crate) dice: Dice,
}

/// What is moved, and how.
struct Transfer {
    token: u64,
    from: &'static str,
    to: &'static str,
    /// A purse that is held and only looked at.
    witness: Option<&'static str>,
    amount: i64,
    pause_ms: u64,
    /// The body changes its mind at the end.
    fails: bool,
    key: Option<String>,
}

impl Mover {
    /// Makes all its operations, one after the other.
    pub(crate) async fn live(mut self) {
        for _ in 0..self.scene.plan.operations {
            let pause = self.dice.below(self.scene.plan.pause_ms);
            sleep(Duration::from_millis(pause)).await;
            let Some(up) = self.node().await else { continue };
            match self.dice.below(100) {
                0..40 => self.transfer(&up).await,
                40..60 => self.transfer_with_key().await,
                60..75 => self.audit(&up).await,
                75..90 => self.poke(&up).await,
                _ => self.refuse(&up).await,
            }
        }
    }

    async fn node(&mut self) -> Option<Arc<Up>> {
        let zombie = self.scene.zombies.lock().first().cloned();
        if let Some(zombie) = zombie.filter(|_| self.dice.chance(0.3)) {
            return Some(zombie);
        }
        timeout(Duration::from_secs(5), self.scene.host.when_up()).await.ok()
    }

    fn draw(&mut self) -> Transfer {
        let first = self.dice.below(4);
        let (second, third) = (first + self.dice.within(1..=3), first + self.dice.within(1..=3));
        let purse = |n: u64| PURSES[usize::try_from(n % 4).unwrap_or(0)];
        Transfer {
            token: self.scene.records.lock().token(),
            from: purse(first),
            to: purse(second),
            witness: self.dice.chance(0.3).then(|| purse(third)).filter(|witness| *witness != purse(second)),
            amount: *self.dice.pick(&[1, 2, 50]),
            pause_ms: *self.dice.pick(&[0, 0, 3, 60]),
            fails: self.dice.chance(0.15),
            key: None,
        }
    }

    async fn transfer(&mut self, up: &Arc<Up>) {
        let transfer = self.draw();
        self.attempt(up, &transfer).await;
    }

    /// Tried until it is answered or the client has had enough; sometimes once more.
    async fn transfer_with_key(&mut self) {
        let mut transfer = self.draw();
        transfer.key = Some(format!("t{}", transfer.token));
        for _ in 0..self.dice.within(1..=4) {
            let Some(up) = self.node().await else { break };
            if self.attempt(&up, &transfer).await && self.dice.chance(0.8) {
                return;
            }
            let pause = self.dice.below(300);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Says whether it was acknowledged.
    async fn attempt(&mut self, up: &Arc<Up>, transfer: &Transfer) -> bool {
        let Transfer { token, from, to, witness, amount, pause_ms, fails, ref key } = *transfer;
        let limit = Duration::from_millis(*self.dice.pick(&[40, 400, 2_000, 8_000]));
        let purse = |id: &str| up.node.object::<Purse>(id);
        let (source, target, other) = (purse(from), purse(to), witness.map(purse));
        let mut objects: Vec<&dyn HasKey> = vec![&source, &target];
        objects.extend(other.as_ref().map(|other| other as &dyn HasKey));
        let call = up.node.transaction(&objects, |tx| {
            let (source, target, other) =
                (source.within(&tx), target.within(&tx), other.as_ref().map(|other| other.within(&tx)));
            async move {
                let left = source.shift(token, -amount).await?;
                sleep(Duration::from_millis(pause_ms)).await;
                if let Some(other) = other {
                    other.balance().await?;
                }
                let there = target.shift(token, amount).await?;
                if fails { Err(Error::rejected("changed its mind")) } else { Ok((left, there)) }
            }
        });
        let call = call.timeout(limit);
        let call = match key {
            Some(key) => call.key(key.as_str()),
            None => call,
        };
        let name = format!("transfer {token}: {amount} from {from} to {to}, key {key:?}");
        self.scene.trace.line(format_args!("client {}: node {}: {name}", self.number, up.number));
        let outcome = match self.scene.hear(self.number, up, &name, call).await {
            Outcome::Ok((left, there)) => Outcome::Ok(format!("{left} and {there}")),
            Outcome::Failed => Outcome::Failed,
            Outcome::Unknown => Outcome::Unknown,
        };
        let now_ns = self.scene.now_ns();
        let attempt = attempt(self.number, key.as_deref(), token, &outcome, now_ns);
        self.scene.records.lock().transfers.push(attempt);
        outcome.is_acknowledged()
    }

    /// Looks at all purses in one transaction.
    async fn audit(&mut self, up: &Arc<Up>) {
        let purses = PURSES.map(|id| up.node.object::<Purse>(id));
        let objects: Vec<&dyn HasKey> = purses.iter().map(|purse| purse as &dyn HasKey).collect();
        let call = up.node.transaction(&objects, |tx| {
            let purses = purses.clone().map(|purse| purse.within(&tx));
            async move {
                let mut sum = 0;
                for purse in purses {
                    sum += purse.balance().await?;
                }
                Ok(sum)
            }
        });
        let call = call.timeout(Duration::from_millis(2_000));
        let outcome = self.scene.hear(self.number, up, "audit", call).await;
        // A replaced node may read a memory that is out of date; proving that it is not takes a lease.
        if let (Outcome::Ok(sum), false) = (outcome, up.is_replaced()) {
            self.scene.records.lock().audits.push(sum);
        }
    }

    async fn poke(&mut self, up: &Arc<Up>) {
        let id = *self.dice.pick(&PURSES);
        let ask = Ask { kind: Purse::KIND, id, handler: "poke", args: (), timeout_ms: 400, key: None };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }

    /// A keyed call that is refused: its commit leaves the object's head where it is.
    async fn refuse(&mut self, up: &Arc<Up>) {
        let (id, key) = (*self.dice.pick(&PURSES), format!("n{}", self.scene.records.lock().token()));
        let ask = Ask { kind: Purse::KIND, id, handler: "refuse", args: (), timeout_ms: 400, key: Some(&key) };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }
}
