//! What the tests call.

use std::time::Duration;

use abide::prelude::*;

/// Counts.
#[derive(State, Default)]
pub(crate) struct Counter {
    pub(crate) count: i64,
    pub(crate) label: Option<String>,
}

/// Too little is left.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{missing} are missing")]
pub(crate) struct Short {
    missing: i64,
}

/// Counts, and shows every way a handler can end.
#[object(history = "all")]
impl Counter {
    /// Adds to the count.
    #[handler]
    fn increment(&mut self, amount: i64) -> i64 {
        self.count += amount;
        self.count
    }

    /// Adds one, unless told otherwise.
    #[handler]
    fn step(&mut self, #[arg(default = 1)] by: i64, label: Option<String>) -> i64 {
        self.count += by;
        self.label = label;
        self.count
    }

    /// The count.
    #[handler]
    fn get(&self) -> i64 {
        self.count
    }

    /// Takes from the count what is there, and refuses more.
    #[handler]
    fn take(&mut self, amount: i64) -> Result<i64, Short> {
        self.count -= amount;
        if self.count < 0 {
            return Err(Short { missing: -self.count });
        }
        Ok(self.count)
    }

    /// Counts one and then panics.
    #[handler]
    fn explode(&mut self) {
        self.count += 1;
        panic!("the secret of the counter");
    }

    /// Fails with a fault of its own.
    #[handler]
    fn fault(&mut self) -> Result<()> {
        Err(Error::internal("the password is hunter2"))
    }

    /// Counts one and then never ends.
    #[handler]
    async fn hang(&mut self) {
        self.count += 1;
        std::future::pending::<()>().await;
    }

    /// Counts one after a while.
    #[handler]
    async fn slowly(&mut self, ms: u64) -> i64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.count += 1;
        self.count
    }

    /// Answers with a text of this length.
    #[handler]
    fn long(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }

    /// Keeps a text.
    #[handler]
    fn name(&mut self, label: String) {
        self.label = Some(label);
    }

    /// Sets an alarm for much later.
    #[handler]
    fn remind(&mut self, ctx: &mut Context, note: String) {
        ctx.alarm("reminder").payload(json!({ "note": note })).after("1h");
    }

    #[alarm]
    fn reminder(&mut self, _ctx: &mut Context, payload: serde_json::Value) {
        self.label = Some(payload.to_string());
    }
}

/// Keeps few changes.
#[derive(State, Default)]
pub(crate) struct Forgetful {
    count: i64,
}

#[object(history = 5)]
impl Forgetful {
    #[handler]
    fn increment(&mut self) -> i64 {
        self.count += 1;
        self.count
    }
}

/// Has room for two callers.
#[derive(State, Default)]
pub(crate) struct Narrow {
    count: i64,
}

#[object(mailbox = 2)]
impl Narrow {
    #[handler]
    async fn slowly(&mut self, ms: u64) -> i64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.count += 1;
        self.count
    }
}

/// A tree.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Node {
    name: String,
    children: Vec<Node>,
}

/// Keeps a tree: its type contains itself.
#[derive(State, Default)]
pub(crate) struct Tree {
    root: Node,
}

#[object(history = "none")]
impl Tree {
    /// Replaces the tree.
    #[handler]
    fn plant(&mut self, root: Node) {
        self.root = root;
    }
}
