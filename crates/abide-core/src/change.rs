//! The durable record of one committed turn.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{json::Json, operation::Operation, operation::OperationMisfit, seq::Seq, time::Timestamp};

/// A domain event a handler emitted with `ctx.emit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// A ULID, or the id its author gave it.
    pub id: String,
    /// What happened, for example `Incremented`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event's own data.
    pub data: Value,
    /// Whatever the author wants to travel with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// Why a change was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The handler, alarm or hook that ran.
    pub handler: String,
    /// The idempotency key of the call, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A change, decoded. Its wire form is the JSON of [`ChangeRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its position in the object's log.
    pub seq: Seq,
    /// When the turn ran, by the owner's clock.
    pub at: Timestamp,
    /// The new values of the fields that changed.
    #[serde(default)]
    pub patch: Map<String, Value>,
    /// What collection fields did, by field.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ops: Map<String, Value>,
    /// Fields that are no longer there (only objects without a fixed set of fields have them).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// The domain events of the turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Why.
    #[serde(default)]
    pub cause: Cause,
    /// True for the change that deleted the object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// A change as it is stored and sent: its position, its time, and its whole wire form.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// Its position in the object's log.
    pub seq: Seq,
    /// When the turn ran.
    pub at: Timestamp,
    /// The wire form, `{"seq":…,"at":…,"patch":…,…}`.
    pub json: Json,
    /// The whole state after this change, kept every so many changes so that an earlier state
    /// costs a bounded replay. Not sent.
    pub snapshot: Option<Json>,
}

impl ChangeRecord {
    /// Decodes the wire form.
    pub fn decode(&self) -> Result<Change, serde_json::Error> {
        self.json.decode()
    }
}

impl Change {
    /// Applies the change to the JSON form of the state before it.
    pub fn apply(&self, state: &mut Map<String, Value>) -> Result<(), OperationMisfit> {
        if self.deleted {
            state.clear();
            return Ok(());
        }
        for (field, value) in &self.patch {
            state.insert(field.clone(), value.clone());
        }
        for (field, operations) in &self.ops {
            let operations: Vec<Operation> = Vec::deserialize(operations).unwrap_or_default();
            let value = state.entry(field.clone()).or_insert(Value::Null);
            for operation in operations {
                operation.apply(value)?;
            }
        }
        for field in &self.removed {
            state.remove(field);
        }
        Ok(())
    }
}
