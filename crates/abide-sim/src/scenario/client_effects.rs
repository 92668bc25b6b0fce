//! What clients do with alarms, messages and deletion.

use std::{sync::Arc, time::Duration};

use abide_node::Object;

use super::{
    client::Client,
    kinds::{Failure, Flash, Scratch},
    notes::full_name,
    records::{Book, ScratchOp, attempt, key},
    scene::{Ask, principal},
};
use crate::{check::Outcome, world::Up};

/// Names of alarms are few, so that they replace each other.
const ALARMS: [&str; 2] = ["x", "y"];
/// The ids of the scratch objects.
const SCRATCHES: [&str; 2] = ["s", "t"];
/// The ids of flashes.
const FLASHES: [&str; 2] = ["f", "g"];

impl Client {
    pub(super) async fn set_alarm(&mut self, up: &Arc<Up>, book: Book) {
        let (id, name, timeout_ms) = (self.token(), *self.dice.pick(&ALARMS), self.timeout_ms());
        let ms = *self.dice.pick(&[0, 5, 300, 3_000, 8_000]);
        let fails = *self.dice.pick(&[0, 0, 1, 3]);
        let how = *self.dice.pick(&[Failure::Refusal, Failure::Panic]);
        let args = (name, id, ms, fails, how);
        let ask = Ask { kind: book.kind, id: book.id, handler: "set_alarm", args, timeout_ms, key: None };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }

    pub(super) async fn cancel_alarm(&mut self, up: &Arc<Up>, book: Book) {
        let (args, timeout_ms) = ([*self.dice.pick(&ALARMS)], self.timeout_ms());
        let ask = Ask { kind: book.kind, id: book.id, handler: "cancel_alarm", args, timeout_ms, key: None };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }

    /// A turn that only sets an alarm. If it was acknowledged, the alarm fires; if it failed, it does not.
    pub(super) async fn remind(&mut self, up: &Arc<Up>, book: Book) {
        let (id, timeout_ms) = (self.token(), self.timeout_ms());
        let ms = *self.dice.pick(&[0, 50, 2_000]);
        let key = self.dice.chance(0.4).then(|| format!("k{id}"));
        let tries = if key.is_some() { self.dice.within(1..=3) } else { 1 };
        for _ in 0..tries {
            let args = (id, ms);
            let ask = Ask { kind: book.kind, id: book.id, handler: "remind", args, timeout_ms, key: key.as_deref() };
            let outcome = done(&self.scene.ask(self.number, up, ask).await, "set");
            let now_ns = self.scene.now_ns();
            let attempt = attempt(self.number, key.as_deref(), id, &outcome, now_ns);
            self.scene.records.lock().book(book).reminders.push(attempt);
        }
    }

    /// A turn that only sets a timer. It may be forgotten, but if it fires it does so on the caller's behalf.
    pub(super) async fn linger(&mut self, up: &Arc<Up>, book: Book) {
        let (args, timeout_ms) = ([*self.dice.pick(&[0, 20, 200])], self.timeout_ms());
        let who = principal(self.number).map(|principal| full_name(&principal));
        self.scene.records.lock().book(book).timers.push(who);
        let ask = Ask { kind: book.kind, id: book.id, handler: "linger", args, timeout_ms, key: None };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }

    pub(super) async fn send(&mut self, up: &Arc<Up>, book: Book) {
        let siblings = book.siblings();
        let count = self.dice.within(1..=4);
        let to: Vec<&str> = (0..count).map(|_| *self.dice.pick(&siblings)).collect();
        let refused: Vec<bool> = (0..count).map(|_| self.dice.chance(0.1)).collect();
        let (args, timeout_ms) = ((to, refused), self.timeout_ms());
        let ask = Ask { kind: book.kind, id: book.id, handler: "send", args, timeout_ms, key: None };
        self.scene.ask::<(), _>(self.number, up, ask).await;
    }

    pub(super) async fn scratch(&mut self, up: &Arc<Up>) {
        let id = *self.dice.pick(&SCRATCHES);
        let (kind, timeout_ms) = (Scratch::KIND, self.timeout_ms());
        let op = match self.dice.below(10) {
            0..4 => ScratchOp::Add(1),
            4..6 => ScratchOp::Get,
            6..8 => ScratchOp::Delete,
            _ => {
                let args = [*self.dice.pick(&[0, 300, 2_000])];
                let ask = Ask { kind, id, handler: "arm", args, timeout_ms, key: None };
                if let Outcome::Ok(life) = self.scene.ask::<u64, _>(self.number, up, ask).await {
                    self.scene.records.lock().lives.push((id, life));
                }
                return;
            }
        };
        let now_ns = self.scene.now_ns();
        let call = self.scene.records.lock().scratches.entry(id).or_default().called(self.number, op, now_ns);
        let outcome = match op {
            ScratchOp::Add(amount) => {
                let ask = Ask { kind, id, handler: "add", args: [amount], timeout_ms, key: None };
                self.scene.ask(self.number, up, ask).await
            }
            ScratchOp::Get => {
                let ask = Ask { kind, id, handler: "get", args: (), timeout_ms, key: None };
                self.scene.ask(self.number, up, ask).await
            }
            ScratchOp::Delete => self.delete(up, id, timeout_ms).await,
        };
        // A replaced node may read, and find nothing to delete, in a memory that is out of date.
        let unsure = up.is_replaced() && op != ScratchOp::Add(1);
        let outcome = if unsure { Outcome::Unknown } else { outcome };
        let now_ns = self.scene.now_ns();
        self.scene.records.lock().scratches.entry(id).or_default().returned(call, outcome, now_ns);
    }

    /// A first turn that deletes its own object: what is left of it is a message, and an outcome.
    pub(super) async fn flash(&mut self, up: &Arc<Up>) {
        let (id, token, timeout_ms) = (*self.dice.pick(&FLASHES), self.token(), self.timeout_ms());
        let key = self.dice.chance(0.4).then(|| format!("k{token}"));
        let tries = if key.is_some() { self.dice.within(1..=3) } else { 1 };
        for _ in 0..tries {
            let ask = Ask { kind: Flash::KIND, id, handler: "flash", args: [token], timeout_ms, key: key.as_deref() };
            let outcome = done(&self.scene.ask(self.number, up, ask).await, "gone");
            let now_ns = self.scene.now_ns();
            let attempt = attempt(self.number, key.as_deref(), token, &outcome, now_ns);
            self.scene.records.lock().flashes.push(attempt);
        }
    }

    /// Deletes from outside or from inside, there also on the client's own task.
    async fn delete(&mut self, up: &Arc<Up>, id: &str, timeout_ms: u64) -> Outcome<i64> {
        let kind = Scratch::KIND;
        match self.dice.below(4) {
            0 => {
                let ask = Ask { kind, id, handler: "finish", args: (), timeout_ms, key: None };
                return done(&self.scene.ask(self.number, up, ask).await, 0);
            }
            1 => {
                let finish = up.node.object::<Scratch>(id).finish().timeout(Duration::from_millis(timeout_ms));
                let name = format!("{kind}/{id}.finish typed");
                return done(&self.scene.hear(self.number, up, &name, finish).await, 0);
            }
            _ => {}
        }
        let key = key(kind, id);
        let delete = async { up.node.delete(&key, None).await.map(|_| 0) };
        self.scene.hear(self.number, up, &format!("{kind}/{id} delete"), Box::pin(delete)).await
    }
}

/// The outcome of a call that answers nothing, with what is to stand for its answer.
fn done<R>(outcome: &Outcome<()>, answer: R) -> Outcome<R> {
    match outcome {
        Outcome::Ok(()) => Outcome::Ok(answer),
        Outcome::Failed => Outcome::Failed,
        Outcome::Unknown => Outcome::Unknown,
    }
}
