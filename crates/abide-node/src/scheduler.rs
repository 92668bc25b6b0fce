//! The alarm scheduler: every due alarm of the node's shards gets its turn.

use std::{sync::Arc, time::Duration};

use abide_core::{
    Error, Key, Timestamp,
    error::Code,
    port::store::{Alarm, AlarmCursor, DueAlarm},
};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::{
    job::{Bare, Done, Envelope, HandlerInfo, HandlerMeta, Job, Origin, Sink},
    node::NodeCore,
    object::Access,
    options::Mutant,
    principal::Principal,
};

/// How far ahead the scheduler looks; it looks again at the latest after this long.
const HORIZON: Duration = Duration::from_secs(30);
/// The clock is read at least this often, because it may jump.
const GLANCE: Duration = Duration::from_secs(1);
/// How many alarms are read at once.
const PAGE: usize = 1024;
/// How long an alarm that cannot be delivered (unknown kind, store away) is left alone.
const PARKED: Duration = Duration::from_secs(5);

type UnderWay = FxHashMap<(Key, Arc<str>), (u64, Option<Instant>)>;

/// Which alarms are under way, and when the next one is due.
pub(crate) struct Scheduler {
    /// Alarms handed out: their token, and since when they are parked if delivery failed.
    under_way: Mutex<UnderWay>,
    earlier: Mutex<Option<Timestamp>>,
    wake: Notify,
    permits: Arc<Semaphore>,
}

impl Scheduler {
    pub(crate) fn new(in_flight: usize) -> Self {
        Self {
            under_way: Mutex::default(),
            earlier: Mutex::default(),
            wake: Notify::new(),
            permits: Arc::new(Semaphore::new(in_flight)),
        }
    }

    /// An alarm was set that is due at `due`.
    pub(crate) fn notify(&self, due: Timestamp) {
        let mut earlier = self.earlier.lock();
        let sooner = earlier.is_none_or(|known| due < known);
        if sooner {
            *earlier = Some(due);
            self.wake.notify_one();
        }
    }

    fn begin(&self, due: &DueAlarm) -> bool {
        let mut under_way = self.under_way.lock();
        let id = (due.key.clone(), due.alarm.name.clone());
        let busy = under_way.get(&id).is_some_and(|(token, parked)| {
            *token == due.alarm.token && parked.is_none_or(|since| since.elapsed() < PARKED)
        });
        if !busy {
            under_way.insert(id, (due.alarm.token, None));
        }
        !busy
    }

    fn end(&self, key: &Key, name: &Arc<str>, token: u64, delivered: bool) {
        let mut under_way = self.under_way.lock();
        let id = (key.clone(), name.clone());
        if under_way.get(&id).is_some_and(|(t, _)| *t == token) {
            if delivered {
                under_way.remove(&id);
            } else {
                under_way.insert(id, (token, Some(Instant::now())));
            }
        }
    }

    /// Forgets parked alarms that may be tried again.
    fn unpark(&self) -> Option<Duration> {
        let mut under_way = self.under_way.lock();
        under_way.retain(|_, (_, parked)| parked.is_none_or(|since| since.elapsed() < PARKED));
        under_way.values().filter_map(|(_, parked)| *parked).map(|since| PARKED.saturating_sub(since.elapsed())).min()
    }
}

impl NodeCore {
    /// Fires alarms until the node closes.
    pub(crate) async fn schedule_alarms(self: Arc<Self>) {
        let mut away = false;
        loop {
            let next = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                next = self.fire_due() => next,
            };
            if away && next.is_ok() {
                tracing::info!("the store answers again");
            }
            away = next.is_err();
            let next = next.unwrap_or_else(|error| {
                tracing::warn!(%error, "due alarms cannot be read; trying again");
                self.clock.now().plus(GLANCE)
            });
            self.rest_until(next).await;
        }
    }

    /// Sleeps until `next` by the wall clock, an earlier alarm, or a parked alarm's time.
    async fn rest_until(&self, next: Timestamp) {
        let horizon = Instant::now() + HORIZON;
        loop {
            let parked = self.scheduler.unpark();
            let now = self.clock.now();
            let earlier = *self.scheduler.earlier.lock();
            let next = earlier.map_or(next, |earlier| earlier.min(next));
            if now >= next || Instant::now() >= horizon {
                return;
            }
            let nap = next.since(now).min(GLANCE).min(parked.unwrap_or(GLANCE)).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = self.scheduler.wake.notified() => {}
                () = sleep(nap) => {}
            }
            if parked.is_some_and(|left| left <= nap) {
                return;
            }
        }
    }

    /// Hands out every alarm that is due, and says when the next one is.
    async fn fire_due(self: &Arc<Self>) -> Result<Timestamp, Error> {
        *self.scheduler.earlier.lock() = None;
        let mut after: Option<AlarmCursor> = None;
        let mut partial = false;
        loop {
            let now = self.clock.now();
            let until = now.plus(HORIZON);
            let page = self.store.due_alarms(until, after.take(), PAGE).await?;
            partial |= page.partial;
            // What a part of the store holds that is away is looked for soon, whenever the next alarm is due.
            let next = |next: Timestamp| if partial { next.min(now.plus(GLANCE)) } else { next };
            for due in page.alarms {
                if due.alarm.due > now {
                    return Ok(next(due.alarm.due));
                }
                after = Some(due.place());
                if self.scheduler.begin(&due) {
                    self.fire(due, now).await;
                }
            }
            if !page.more || after.is_none() {
                return Ok(next(until));
            }
        }
    }

    /// Sends one alarm to its object.
    async fn fire(self: &Arc<Self>, due: DueAlarm, now: Timestamp) {
        let Ok(permit) = self.scheduler.permits.clone().acquire_owned().await else {
            return;
        };
        self.metrics.alarms_due.increment(1.0);
        self.metrics.alarm_lag.record(now.since(due.alarm.due));
        let DueAlarm { key, alarm } = due;
        let kind = match self.kinds.find(key.kind()) {
            Ok(kind) => kind.clone(),
            Err(error) => {
                tracing::warn!(%key, alarm = %alarm.name, %error, "an alarm is kept until its kind is known");
                return self.alarm_ended(&key, &alarm, Some(&error), permit);
            }
        };
        if self.options.mutant(Mutant::AlarmDeletedEarly) {
            self.delete_alarm_early(&key, &alarm).await;
        }
        let envelope = self.alarm_envelope(&kind, &key, &alarm, permit);
        self.submit(&key, &kind, envelope, false);
    }

    fn alarm_envelope(
        self: &Arc<Self>,
        kind: &crate::kind::KindEntry,
        key: &Key,
        alarm: &Alarm,
        permit: OwnedSemaphorePermit,
    ) -> Envelope {
        let node = self.clone();
        let (owner, fired) = (key.clone(), alarm.clone());
        let done: Done = Box::new(move |result| node.alarm_ended(&owner, &fired, result.err().as_ref(), permit));
        let name = alarm.name.split(':').next().unwrap_or_default();
        let forgotten = self.options.mutant(Mutant::PrincipalForgotten);
        // On behalf of whoever set it.
        let principal = Principal::read(alarm.principal.as_ref().filter(|_| !forgotten));
        let (job, info): (Box<dyn Job>, HandlerMeta) = match (kind.alarms.get(name), &principal) {
            (_, Err(error)) => (Box::new(Bare::failing(error.clone(), Some(done))), nameless()),
            (Some(info), Ok(_)) => (alarm_job(info, alarm, done), HandlerMeta::from(info)),
            (None, Ok(_)) => {
                let detail = format!("kind {} has no #[alarm] named {name:?}", kind.name);
                (Box::new(Bare::failing(Error::new(Code::UnknownHandler, detail), Some(done))), nameless())
            }
        };
        Envelope {
            job,
            info,
            origin: Origin::Alarm { name: alarm.name.clone(), token: alarm.token },
            deadline: Instant::now() + self.options.call_timeout,
            principal: principal.unwrap_or_default(),
            chain: None,
            call_key: None,
            existing: false,
            received_at: self.options.metered.then(Instant::now),
        }
    }

    /// An alarm's turn is over; whatever it left is in the store.
    fn alarm_ended(&self, key: &Key, alarm: &Alarm, error: Option<&Error>, permit: OwnedSemaphorePermit) {
        drop(permit);
        self.metrics.alarms_due.decrement(1.0);
        let stored = match error {
            None => true,
            Some(error) => {
                tracing::warn!(%key, alarm = %alarm.name, %error, "an alarm's turn failed");
                !matches!(error.code(), Code::Unavailable | Code::Overloaded | Code::UnknownKind)
            }
        };
        self.scheduler.end(key, &alarm.name, alarm.token, stored);
        if !stored {
            self.scheduler.notify(self.clock.now().plus(PARKED));
        }
    }

    /// What a failed alarm becomes: tried again later, or a dead letter.
    pub(crate) fn put_off(&self, fired: &Alarm, now: Timestamp, error: &Error) -> Alarm {
        let attempt = fired.attempt + 1;
        let mut alarm = fired.clone();
        alarm.attempt = attempt;
        alarm.token = self.clock.random() >> 1;
        match self.options.alarm_backoff.delay(attempt, self.clock.random()) {
            Some(delay) => alarm.due = now.plus(delay),
            None => {
                tracing::error!(alarm = %alarm.name, attempt, %error, "an alarm is given up and kept as a dead letter");
                alarm.dead = Some(error.to_string());
            }
        }
        alarm
    }

    /// The mutant: takes an alarm off the list before its turn.
    async fn delete_alarm_early(&self, key: &Key, alarm: &Alarm) {
        use abide_core::port::store::{AlarmWrite, Commit};
        let Ok(Some(loaded)) = self.store.load(key).await else {
            return;
        };
        let shard = key.shard(self.shards);
        let kept = Commit::keep(key.clone(), shard, self.epoch(shard), self.next_commit_id(), loaded.head);
        let alarms = vec![AlarmWrite::Remove(alarm.name.clone())];
        let commit = Commit { incarnation: loaded.incarnation, alarms, ..kept };
        // A mutant may lose this.
        let _ = self.store.commit(vec![commit]).await;
    }
}

/// The handler's job; one that fails, so that the alarm is put off, if the payload does not fit it.
fn alarm_job(info: &HandlerInfo, alarm: &Alarm, done: Done) -> Box<dyn Job> {
    let slot = Arc::new(Mutex::new(Some(done)));
    let taken = slot.clone();
    let sink = Sink::Callback(Box::new(move |result| {
        let done = taken.lock().take();
        if let Some(done) = done {
            done(result);
        }
    }));
    (info.make)(alarm.payload.as_str(), sink).unwrap_or_else(|error| Box::new(Bare::failing(error, slot.lock().take())))
}

fn nameless() -> HandlerMeta {
    HandlerMeta { name: "alarm", access: Access::Exclusive, sync: true, reentrant: false, metrics: None }
}
