//! What a watcher hears.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{ChangeRecord, Json, Seq, frame::ResetReason};

/// What a [`Watch`](crate::Watch) hears of its object.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The state at the start of a watch that was not begun after a seq.
    Snapshot {
        /// The seq the state reflects.
        seq: Seq,
        /// The state; `None` if the object is not there.
        state: Option<Json>,
    },
    /// The next change.
    Change(Arc<ChangeRecord>),
    /// The changes in between cannot be given: forget what you know, this is the state now.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The seq the state reflects.
        seq: Seq,
        /// The state; `None` if the object is not there.
        state: Option<Json>,
    },
    /// Ephemeral data, from another client or from the object itself. What this client sends is not among it.
    Broadcast {
        /// The client that sent it; `None` if the object did.
        from: Option<String>,
        /// The data.
        data: Json,
    },
    /// Who is present beside the object, this client among them, or what has changed about it; `None` has left.
    Presence {
        /// Whether these are all: others that were known have left.
        whole: bool,
        /// What each client shows, by its id.
        members: BTreeMap<String, Option<Json>>,
    },
}

impl News {
    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let of = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.as_str().len());
        match self {
            Self::Snapshot { state, .. } | Self::Reset { state, .. } => of(state),
            Self::Change(change) => change.json.as_str().len(),
            Self::Broadcast { from, data } => from.as_ref().map_or(0, String::len) + data.as_str().len(),
            Self::Presence { members, .. } => members.iter().map(|(client, data)| client.len() + of(data)).sum(),
        }
    }
}
