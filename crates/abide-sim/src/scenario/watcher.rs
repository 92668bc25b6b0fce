//! Watchers: they follow the changes of a ledger, at their own pace, across crashes and reconnects.

use std::{sync::Arc, time::Duration};

use abide_core::{Json, Seq};
use abide_node::{After, Changes, Update};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::{records::Book, scene::Scene};
use crate::{check::streams::StreamItem, dice::Dice, world::Up};

/// One watcher with its own randomness.
pub(crate) struct Watcher {
    pub(crate) scene: Arc<Scene>,
    pub(crate) number: u64,
    pub(crate) book: Book,
    pub(crate) dice: Dice,
    watch: usize,
    at: Seq,
}

impl Watcher {
    pub(crate) fn new(scene: Arc<Scene>, number: u64, book: Book, dice: Dice) -> Self {
        let name = format!("watcher {number}");
        let watch = scene.records.lock().watch(book, name, 0, Value::Object(Map::new()));
        Self { scene, number, book, dice, watch, at: Seq::ZERO }
    }

    /// Watches until the world is over.
    pub(crate) async fn live(mut self) {
        let over = self.scene.over.clone();
        tokio::select! {
            biased;
            () = over.cancelled() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&mut self) {
        let key = self.book.key();
        loop {
            let up = self.scene.host.when_up().await;
            let begun = if self.dice.chance(0.2) {
                let begun = tokio::select! {
                    biased;
                    () = up.gone() => continue,
                    begun = up.node.watch_state(&key) => begun,
                };
                begun.map(|(state, changes)| {
                    self.begin(changes.seq(), state);
                    changes
                })
            } else {
                up.node.watch(&key, After::Seq(self.at)).await
            };
            match begun {
                Ok(changes) => self.follow(&up, changes).await,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            let pause = self.dice.below(50);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Receives until the node ends, an error, or a whim.
    async fn follow(&mut self, up: &Arc<Up>, mut changes: Changes) {
        while !self.dice.chance(0.04) {
            let next = tokio::select! {
                biased;
                () = up.gone() => return,
                next = changes.next() => next,
            };
            match next {
                Some(Ok(update)) => self.receive(&update),
                Some(Err(_)) if self.dice.chance(0.5) => return,
                Some(Err(_)) => sleep(Duration::from_millis(20)).await,
                None => return,
            }
            if self.dice.chance(0.2) {
                let pause = self.dice.below(800);
                sleep(Duration::from_millis(pause)).await;
            }
        }
    }

    /// Forgets what it knew: it begins with the state, and follows the changes from there.
    fn begin(&mut self, seq: Seq, state: Option<Json>) {
        let state = state.map_or_else(|| Value::Object(Map::new()), |state| state.value());
        self.note(seq, StreamItem::Reset { seq: seq.number(), state });
    }

    fn receive(&mut self, update: &Update) {
        let seq = update.seq().number();
        let item = match update {
            Update::Change(record) => StreamItem::Change { seq, patch: record.json.value() },
            Update::Reset { state, .. } => {
                StreamItem::Reset { seq, state: state.as_ref().map_or(Value::Null, |state| state.value()) }
            }
        };
        self.note(update.seq(), item);
    }

    fn note(&mut self, seq: Seq, item: StreamItem) {
        self.at = seq;
        let what = if matches!(item, StreamItem::Change { .. }) { "change" } else { "reset to" };
        self.scene.trace.line(format_args!("watcher {}: {}: {what} {seq}", self.number, self.book));
        self.scene.records.lock().watches[self.watch].1.items.push(item);
    }
}
