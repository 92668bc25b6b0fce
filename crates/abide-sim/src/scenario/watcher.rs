//! Watchers: they follow the changes of a ledger, at their own pace, across crashes and reconnects.

use std::{sync::Arc, time::Duration};

use abide_core::Seq;
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
            match up.node.watch(&key, After::Seq(self.at)).await {
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

    fn receive(&mut self, update: &Update) {
        self.at = update.seq();
        let seq = self.at.number();
        let item = match update {
            Update::Change(record) => StreamItem::Change { seq, patch: record.json.value() },
            Update::Reset { state, .. } => {
                StreamItem::Reset { seq, state: state.as_ref().map_or(Value::Null, |state| state.value()) }
            }
        };
        let what = if matches!(item, StreamItem::Change { .. }) { "change" } else { "reset to" };
        self.scene.trace.line(format_args!("watcher {}: {}: {what} {seq}", self.number, self.book));
        self.scene.records.lock().watches[self.watch].1.items.push(item);
    }
}
