use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ROW_BYTES;
use crate::{
    json::Json,
    key::{Key, Namespace},
    schedule::Schedule,
    time::Timestamp,
};

/// An alarm of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name: one alarm of a name at a time, and the name of the `#[alarm]` handler.
    pub name: Arc<str>,
    /// When it fires next.
    pub due: Timestamp,
    /// A number that no other setting of an alarm of this object has: tells a replaced alarm from a new one.
    pub token: u64,
    /// What the handler is given.
    pub payload: Json,
    /// How often firing has failed so far.
    pub attempt: u32,
    /// When it repeats, if it does.
    pub schedule: Option<Schedule>,
    /// Who set it, as JSON: on whose behalf it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Json>,
    /// The last error, once it was given up: a dead letter, kept and reported, never fired.
    pub dead: Option<String>,
}

/// One edit of an object's alarms.
#[derive(Clone, Debug, PartialEq)]
pub enum AlarmWrite {
    /// Sets or replaces the alarm of this name.
    Set(Alarm),
    /// Removes the alarm of this name, if there is one.
    Remove(Arc<str>),
}

/// An alarm and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DueAlarm {
    /// The object.
    pub key: Key,
    /// The alarm.
    pub alarm: Alarm,
}

/// A place in the order of alarms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlarmCursor {
    /// When the alarm is due.
    pub due: Timestamp,
    /// Whose it is.
    pub key: Key,
    /// Its name.
    pub name: Arc<str>,
}

/// Which alarms to list.
#[derive(Clone, Debug)]
pub struct AlarmsQuery {
    /// Of this object, or of all.
    pub key: Option<Key>,
    /// In this namespace.
    pub namespace: Namespace,
    /// Only dead letters; otherwise pending and dead ones.
    pub dead: bool,
    /// Continue after this one.
    pub after: Option<AlarmCursor>,
    /// At most so many.
    pub limit: usize,
}

impl Alarm {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let principal = self.principal.as_ref().map_or(0, |principal| principal.as_str().len());
        let dead = self.dead.as_ref().map_or(0, String::len);
        ROW_BYTES + self.name.len() + self.payload.as_str().len() + principal + dead
    }
}

impl DueAlarm {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.id().len() + self.alarm.bytes()
    }

    /// Its place in the order of alarms.
    #[must_use]
    pub fn place(&self) -> AlarmCursor {
        AlarmCursor { due: self.alarm.due, key: self.key.clone(), name: self.alarm.name.clone() }
    }
}
