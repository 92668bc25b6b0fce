use serde::{Deserialize, Serialize};

/// What a caller may want to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Calls a handler of an object that is there.
    Call,
    /// Reads an object's state, changes and alarms, now, then or live, and talks to those who watch it.
    Watch,
    /// Finds objects without knowing their ids: lists, alarms of all objects, the feed.
    List,
    /// Exchanges an object's items with a replica.
    Sync,
    /// Makes an object by calling it for the first time. Beside it, `Call` is needed.
    Create,
    /// Deletes an object.
    Delete,
    /// Looks after the node: it concerns all tenants.
    Admin,
}

impl Action {
    /// Every action, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Call, Self::Watch, Self::List, Self::Sync, Self::Create, Self::Delete, Self::Admin];

    /// Its name in rules, for example `call`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Watch => "watch",
            Self::List => "list",
            Self::Sync => "sync",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// Whether a rule's `handler` has a say.
    pub(super) const fn has_handler(self) -> bool {
        matches!(self, Self::Call | Self::Create)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
