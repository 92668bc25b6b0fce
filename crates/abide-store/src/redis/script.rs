//! The scripts that run inside the server.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script, known by its hash.
pub(super) struct Lua {
    source: LazyLock<String>,
    hash: LazyLock<String>,
}

/// What takes members apart, for the scripts that do.
const MEMBERS: &str = include_str!("scripts/members.lua");
const NOTHING: &str = "";

/// A script with what it uses put before it: its first line says how it is to be run, and stays the first.
fn with(prelude: &str, script: &str) -> String {
    let (first, rest) = script.split_once('\n').unwrap_or((script, ""));
    format!("{first}\n{prelude}{rest}")
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $prelude:ident + $file:literal;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: Lua = Lua {
                source: LazyLock::new(|| with($prelude, include_str!(concat!("scripts/", $file)))),
                hash: LazyLock::new(|| Script::new(&with($prelude, include_str!(concat!("scripts/", $file)))).get_hash().to_owned()),
            };
        )+

        /// All of them, for a new connection.
        pub(super) static ALL: &[&Lua] = &[$(&$name),+];
    };
}

scripts! {
    /// Applies commits.
    COMMIT = NOTHING + "commit.lua";
    /// Raises epochs.
    CLAIM = NOTHING + "claim.lua";
    /// Removes messages.
    ACKNOWLEDGE = NOTHING + "acknowledge.lua";
    /// Removes what is over.
    CLEAN = MEMBERS + "clean.lua";
    /// Fills an index.
    INDEX = NOTHING + "index.lua";
    /// Takes rows in.
    IMPORT = NOTHING + "import.lua";
    /// Tells a part that all rows are in.
    END = NOTHING + "end.lua";
    /// Reads whole objects.
    EXPORT = NOTHING + "export.lua";
    /// Reads changes.
    CHANGES = NOTHING + "changes.lua";
    /// Reads alarms.
    ALARMS = MEMBERS + "alarms.lua";
    /// Reads messages.
    OUTBOX = NOTHING + "outbox.lua";
    /// Reads objects.
    LIST = NOTHING + "list.lua";
    /// Looks up what places in sorted sets name.
    PLACES = NOTHING + "places.lua";
    /// Reads an object that distobject shares.
    LOOK = NOTHING + "look.lua";
    /// Reads the feed.
    FEED = NOTHING + "feed.lua";
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
        cmd.arg("LOAD").arg(self.source.as_str());
        cmd
    }
}
