//! How time passes in a test world.

use std::time::Duration;

use abide_core::{
    Clock, Namespace, Store, Timestamp,
    port::store::{AlarmsQuery, DueAlarm},
};
use abide_node::Delay;
use tokio::time::sleep;

use super::world::TestWorld;
use crate::world::ready;

/// A longer stretch without an alarm is skipped, but for its last minute.
const SKIPPED_FROM: Duration = Duration::from_secs(3_600);
const NOT_SKIPPED: Duration = Duration::from_secs(60);
/// How often `settle` gives way to others before it takes the world for busy.
const TURNS_MAX: usize = 20_000;

impl TestWorld {
    /// Lets time pass: `"90s"`, `"1h"`, or a `Duration`. Alarms that are due on the way fire at their
    /// time, messages are delivered, idle objects leave memory.
    ///
    /// No real time passes. Of a stretch of more than an hour without any alarm only the last minute
    /// is lived through; a repeating in-memory timer ticks once for what was skipped.
    pub async fn advance(&self, by: impl Into<Delay>) {
        let until = self.now().plus(by.into().0);
        self.settle().await;
        loop {
            let now = self.now();
            let next = self.next_alarm().map_or(until, |due| due.alarm.due.clamp(now, until));
            self.pass(next.since(now)).await;
            self.settle().await;
            // An alarm that is due and does not fire (its kind is unknown, the store is away) is left behind.
            let stuck = self.now() == now && next == now;
            if self.now() >= until || stuck {
                break;
            }
        }
        self.pass(until.since(self.now())).await;
        self.settle().await;
    }

    /// Lets time pass until the next alarm of any object fires, and says which. `None` if there is none.
    pub async fn advance_to_next_alarm(&self) -> Option<DueAlarm> {
        self.settle().await;
        let next = self.next_alarm()?;
        self.advance(next.alarm.due.since(self.now())).await;
        Some(next)
    }

    /// Waits until nothing is under way: no due alarm, no message. No time passes.
    ///
    /// Handlers that sleep, and what the store refuses, are not waited for.
    pub async fn settle(&self) {
        for turn in 0..TURNS_MAX {
            tokio::task::yield_now().await;
            // One look is dear, and what is under way needs some turns anyhow.
            if turn % 16 == 15 && self.is_quiet() {
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let due = self.next_alarm().is_some_and(|due| due.alarm.due <= self.now());
        let under_way = self.host.up().is_some_and(|up| up.node.messages_under_way() > 0);
        !due && !under_way && (self.host.up().is_none() || self.messages().is_empty())
    }

    /// The alarm that is due next, of any object.
    fn next_alarm(&self) -> Option<DueAlarm> {
        let pending = ready(self.disk.data().due_alarms(Timestamp::MAX, None, 1));
        pending.ok()?.alarms.into_iter().next()
    }

    async fn pass(&self, by: Duration) {
        if by > SKIPPED_FROM {
            tokio::time::advance(by - NOT_SKIPPED).await;
            self.settle().await;
            sleep(NOT_SKIPPED).await;
        } else if !by.is_zero() {
            sleep(by).await;
        }
    }

    /// Makes the wall clock jump, as a correction of the time does: virtual time does not pass.
    pub fn jump_clock(&self, by_ms: i64) {
        self.clock.jump(by_ms);
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The pending alarms of all objects of a namespace, the next one first; those given up are not among them.
    pub fn all_alarms(&self, namespace: &Namespace) -> Vec<DueAlarm> {
        let query = AlarmsQuery { key: None, namespace: namespace.clone(), dead: false, after: None, limit: 10_000 };
        let mut alarms = self.pending(query);
        alarms.retain(|due| due.alarm.dead.is_none());
        alarms
    }
}
