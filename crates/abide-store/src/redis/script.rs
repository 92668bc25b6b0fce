//! The scripts that run inside the server.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script, known by its hash.
pub(super) struct Lua {
    source: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: Lua = Lua {
                source: include_str!(concat!("scripts/", $file)),
                hash: LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))).get_hash().to_owned()),
            };
        )+

        /// All of them, for a new connection.
        pub(super) static ALL: &[&Lua] = &[$(&$name),+];
    };
}

scripts! {
    /// Applies commits.
    COMMIT = "commit.lua";
    /// Raises epochs.
    CLAIM = "claim.lua";
    /// Removes messages.
    ACKNOWLEDGE = "acknowledge.lua";
    /// Removes what is over.
    CLEAN = "clean.lua";
    /// Fills an index.
    INDEX = "index.lua";
    /// Reads changes.
    CHANGES = "changes.lua";
    /// Reads alarms.
    ALARMS = "alarms.lua";
    /// Reads messages.
    OUTBOX = "outbox.lua";
    /// Reads objects.
    LIST = "list.lua";
    /// Reads an object that distobject shares.
    LOOK = "look.lua";
    /// Reads the feed.
    FEED = "feed.lua";
}

impl Lua {
    /// A call of it that touches keys of the part with this tag; arguments follow.
    pub(super) fn call(&self, tag: &str) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(self.hash.as_str()).arg(1).arg(format!("{tag}:meta"));
        cmd
    }

    /// What makes a server know it.
    pub(super) fn load(&self) -> Cmd {
        let mut cmd = redis::cmd("SCRIPT");
        cmd.arg("LOAD").arg(self.source);
        cmd
    }
}
