//! What ledgers write down of themselves, and what is read of it at the end.

use abide_node::{Context, Principal};
use serde::{Deserialize, Serialize};

use super::{records::Book, scene::Scene, verdict::load};

/// What a turn did with an alarm; times in milliseconds of the wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum AlarmNote {
    /// `name` was set as `id`, on behalf of somebody.
    Set { at: i64, name: String, id: u64, due: i64, who: Option<String> },
    /// `name` was cancelled.
    Cancelled { at: i64, name: String },
    /// The alarm set as `id` fired, on behalf of somebody.
    Fired { at: i64, id: u64, who: Option<String> },
}

/// A message that was sent, on behalf of somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The id of the receiver.
    pub(crate) to: String,
    /// Its number among the messages of its sender.
    pub(crate) n: u64,
    /// Whether the receiver is to refuse it.
    pub(crate) refused: bool,
    pub(crate) who: Option<String>,
}

/// A message that was applied, on behalf of somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Received {
    /// The id of the sender.
    pub(crate) from: String,
    pub(crate) n: u64,
    pub(crate) who: Option<String>,
}

/// A timer that fired, on behalf of somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Late {
    /// Whether a caller with a name set it.
    pub(crate) named: bool,
    pub(crate) who: Option<String>,
}

/// What a ledger of any kind holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BookState {
    pub(super) tokens: Vec<u64>,
    pub(super) alarms: Vec<AlarmNote>,
    pub(super) reminded: Vec<u64>,
    pub(super) outgoing: Vec<Sent>,
    pub(super) incoming: Vec<Received>,
    pub(super) late: Vec<Late>,
    pub(super) came: u64,
    pub(super) left: u64,
}

impl BookState {
    /// What the store holds of a ledger.
    pub(super) fn read(scene: &Scene, book: Book) -> Result<Self, String> {
        let state = load(scene, book.kind, book.id).and_then(|loaded| loaded.state);
        state.map_or(Ok(Self::default()), |state| {
            state.decode().map_err(|error| format!("the stored state of {book} cannot be read: {error}"))
        })
    }
}

/// On whose behalf the turn runs.
pub(super) fn who(ctx: &Context) -> Option<String> {
    ctx.principal().map(full_name)
}

/// All that a principal says, so that nothing of it can be lost unnoticed.
pub(super) fn full_name(principal: &Principal) -> String {
    format!("{}/{} as {}", principal.namespace, principal.subject, principal.roles.join("+"))
}
