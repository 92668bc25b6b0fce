use super::Alarm;
use crate::{
    change::ChangeRecord,
    json::Json,
    seq::{Incarnation, Seq},
    time::Timestamp,
};

/// What a store holds of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The seq of the last change.
    pub head: Seq,
    /// Changes with a seq at or below this are no longer kept.
    pub floor: Seq,
    /// How often the object was created.
    pub incarnation: Incarnation,
    /// The state; `None` is a grave.
    pub state: Option<Json>,
    /// The schema version the state was written with.
    pub version: u32,
    /// When this incarnation was created.
    pub created_at: Timestamp,
    /// When the last change was made.
    pub updated_at: Timestamp,
    /// The id of the last commit, to settle one whose answer was lost.
    pub commit_id: u64,
    /// All its alarms, dead ones included.
    pub alarms: Vec<Alarm>,
}

/// A page of changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangesPage {
    /// The changes, oldest first.
    pub changes: Vec<ChangeRecord>,
    /// The object's head when the page was read; zero if there is no object.
    pub head: Seq,
    /// Changes at or below this are no longer kept.
    pub floor: Seq,
}
