//! The objects that are called.

use abide::prelude::*;

#[derive(State, Default)]
pub(crate) struct Counter {
    count: i64,
}

#[object(history = 4)]
impl Counter {
    #[handler]
    fn increment(&mut self, amount: i64) -> i64 {
        self.count += amount;
        self.count
    }

    #[handler]
    fn get(&self) -> i64 {
        self.count
    }

    #[handler]
    fn refuse(&mut self) -> Result<()> {
        Err(Error::rejected("no").with_data(json!({"missing": 3})))
    }

    #[handler]
    async fn wait(&mut self, ms: u64) -> i64 {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        self.count += 1;
        self.count
    }

    #[handler]
    fn shout(&mut self, ctx: &mut Context, word: String) {
        ctx.broadcast(json!({ "word": word }));
    }

    #[handler]
    fn tell(&mut self, ctx: &mut Context, client: String, word: String) {
        ctx.push(client, json!({ "word": word }));
    }

    #[handler]
    fn tell_and_fail(&mut self, ctx: &mut Context, client: String) -> Result<()> {
        ctx.push(client, "never");
        ctx.broadcast("never");
        Err(Error::rejected("no"))
    }

    #[handler]
    fn tell_all(&mut self, ctx: &mut Context, word: String) {
        ctx.push(Recipients::All, word);
    }

    #[handler]
    fn fill(&mut self, bytes: usize) -> String {
        self.count += 1;
        "x".repeat(bytes)
    }
}

/// Kept in memory only.
#[derive(State, Default)]
pub(crate) struct Ticker {
    ticks: i64,
}

#[object(durability = "volatile")]
impl Ticker {
    #[handler]
    fn tick(&mut self, ctx: &mut Context) -> i64 {
        self.ticks += 1;
        ctx.broadcast(self.ticks);
        self.ticks
    }
}

/// Who came and who left.
#[derive(State, Default)]
pub(crate) struct Book {
    entries: Vec<String>,
}

#[object]
impl Book {
    #[handler]
    fn write(&mut self, entry: String) {
        self.entries.push(entry);
    }

    #[handler]
    fn read(&self) -> Vec<String> {
        self.entries.clone()
    }
}

/// A client that is here.
#[derive(State, Default)]
pub(crate) struct Visitor {
    name: String,
}

#[object(session)]
impl Visitor {
    #[hook]
    async fn on_connect(&mut self, ctx: &mut Context) -> Result<()> {
        let me = ctx.key().id().to_owned();
        ctx.object::<Book>("all").write(format!("{me} came")).await
    }

    #[hook]
    async fn on_disconnect(&mut self, ctx: &mut Context) -> Result<()> {
        let me = ctx.key().id().to_owned();
        ctx.object::<Book>("all").write(format!("{} {me} left", self.name)).await
    }

    #[handler]
    fn name(&mut self, name: String) -> String {
        self.name = name;
        self.name.clone()
    }
}

/// A client that is here, and written down.
#[derive(State, Default)]
pub(crate) struct Member {
    since: i64,
}

#[object(session, durability = "commit")]
impl Member {
    #[hook]
    fn on_connect(&mut self) {
        self.since = 1;
    }
}

/// Lets nobody in.
#[derive(State, Default)]
pub(crate) struct Closed {
    never: bool,
}

#[object(session)]
impl Closed {
    #[hook]
    fn on_connect(&mut self) -> Result<()> {
        self.never = true;
        Err(Error::rejected("come back tomorrow"))
    }
}
