//! What a turn wants done once it is durable.

use std::{sync::Arc, time::Duration};

use abide_core::{
    Error, Event, Json, Key,
    error::Code,
    port::store::{Alarm, AlarmWrite},
};

use crate::{clients::Recipients, principal::Principal};

/// The most messages, alarms, events, broadcasts and pushes that one turn may produce.
pub(crate) const EFFECTS_MAX: usize = 10_000;

/// Collected while a handler runs; thrown away if it fails.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) alarms: Vec<AlarmWrite>,
    pub(crate) messages: Vec<Outgoing>,
    pub(crate) events: Vec<Event>,
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) signals: Vec<Signal>,
    /// Why the turn must fail, found while its effects were collected.
    pub(crate) fault: Option<Error>,
    pub(crate) delete: bool,
    pub(crate) overflow: bool,
}

/// Something for clients that is kept nowhere: it leaves when the turn is durable.
#[derive(Clone)]
pub(crate) enum Signal {
    /// To whoever watches the object.
    Broadcast(Json),
    /// To clients, wherever they look.
    Push(Recipients, Json),
}

/// A durable message before it has its number.
pub(crate) struct Outgoing {
    pub(crate) target: Key,
    pub(crate) handler: Arc<str>,
    pub(crate) args: Json,
}

/// A timer set or cancelled.
pub(crate) struct TimerChange {
    pub(crate) name: &'static str,
    pub(crate) set: Option<TimerPlan>,
}

/// When a timer fires, and on whose behalf.
#[derive(Clone)]
pub(crate) struct TimerPlan {
    pub(crate) after: Duration,
    pub(crate) every: Option<Duration>,
    pub(crate) principal: Option<Arc<Principal>>,
}

impl Effects {
    /// Whether the turn wants nothing done.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_durable()
            && self.events.is_empty()
            && self.timers.is_empty()
            && self.signals.is_empty()
            && self.fault.is_none()
            && !self.delete
            && !self.overflow
    }

    pub(crate) fn has_durable(&self) -> bool {
        !self.alarms.is_empty() || !self.messages.is_empty()
    }

    pub(crate) fn has_room(&mut self) -> bool {
        let count = self.alarms.len() + self.messages.len() + self.events.len() + self.signals.len();
        let room = count < EFFECTS_MAX;
        self.overflow |= !room;
        room
    }

    /// Why a stateless object's effects cannot be carried out, if it has any.
    pub(crate) fn refusal_of_all(&self) -> Option<Error> {
        (!self.is_empty()).then(|| {
            Error::internal(
                "a stateless object keeps nothing, so it has no alarms, messages, events, timers, \
                 broadcasts, pushes and nothing to delete; \
                 call another object instead",
            )
        })
    }

    /// Why these effects cannot be carried out, if they cannot.
    pub(crate) fn refusal(&self, durable: bool) -> Option<Error> {
        if let Some(fault) = &self.fault {
            return Some(fault.clone());
        }
        if self.overflow {
            let detail = format!(
                "one turn may set alarms, send, emit, broadcast and push {EFFECTS_MAX} times at most; it was rolled back"
            );
            return Some(Error::new(Code::TooLarge, detail));
        }
        (!durable && self.has_durable()).then(|| {
            Error::internal(
                "alarms and messages are durable, and a volatile or stateless object has nothing durable; \
                 its turn was rolled back; use a timer and `call`, or another durability",
            )
        })
    }
}

/// The alarms of an object after some writes.
pub(crate) fn apply_alarms(alarms: &mut Vec<Alarm>, writes: &[AlarmWrite]) {
    for write in writes {
        match write {
            AlarmWrite::Set(alarm) => match alarms.iter_mut().find(|a| a.name == alarm.name) {
                Some(old) => *old = alarm.clone(),
                None => alarms.push(alarm.clone()),
            },
            AlarmWrite::Remove(name) => alarms.retain(|a| a.name != *name),
        }
    }
}
