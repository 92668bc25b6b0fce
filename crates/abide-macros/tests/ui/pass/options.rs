//! Every option, hooks and alarms.
#![deny(warnings)]

use abide::prelude::*;

#[derive(State, Default)]
struct Life {
    seen: Vec<String>,
}

fn up(from: u32, state: &mut serde_json::Map<String, serde_json::Value>) -> Result<()> {
    assert_eq!(from, 1);
    state.clear();
    Ok(())
}

/// A life.
///
/// With details.
#[object(
    name = "life.v2",
    hibernate_after = "never",
    shutdown_after = "1h30m",
    history = "7d",
    durability = "behind:100ms",
    version = 2,
    migrate = up,
    autoload = ["a", "b"],
    mailbox = 100,
    reentrant
)]
impl Life {
    #[hook]
    fn on_create(&mut self) {
        self.seen.push("create".into());
    }
    #[hook]
    async fn on_activate(&mut self, ctx: &mut Context) {
        self.seen.push(format!("activate {}", ctx.key().id()));
    }
    #[hook]
    fn on_deactivate(&mut self) {}
    #[hook]
    async fn on_delete(&mut self, _ctx: &mut Context) -> Result<()> {
        Ok(())
    }
    #[alarm]
    fn tick(&mut self, ctx: &Context, payload: Option<u8>) {
        let _ = (ctx, payload);
        self.note("tick");
    }
    #[alarm]
    async fn fail(&mut self, payload: String) -> Result<(), String> {
        Err(payload)
    }
    /// What happened so far.
    ///
    /// Not in the description.
    #[handler]
    fn seen(&self) -> Vec<String> {
        self.seen.clone()
    }
    #[handler(reentrant)]
    async fn again(&self) {}
    #[cfg(any())]
    #[handler]
    fn absent(&self, nothing: DoesNotExist) {}
    #[cfg(not(any()))]
    #[handler]
    fn present(&mut self, #[arg(default = 1)] n: u8) -> u8 {
        self.note("present");
        n
    }

    fn note(&mut self, what: &str) {
        self.seen.push(what.into());
    }
}

#[derive(State, Default)]
struct Echo;

#[object(stateless, history = "none", durability = "volatile")]
impl Echo {
    #[handler]
    fn say(&self, text: String) -> String {
        text
    }
}

#[derive(State, Default)]
struct Whole {}

#[object(history = "all", durability = "commit", autoload = "one")]
impl Whole {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    use abide::{Durability, History, Object};
    assert_eq!((Life::KIND, Echo::KIND), ("life.v2", "Echo"));
    let abide = Abide::open("memory:").register::<Life>().register::<Echo>().register::<Whole>().start().await?;
    let life = abide.object::<Life>("x");
    assert_eq!(life.present(3).await?, 3);
    assert_eq!(life.seen().await?, ["create", "present"]);
    life.again().await?;
    assert_eq!(abide.object::<Echo>("x").say("hi".into()).await?, "hi");
    let _ = (Durability::Commit, History::All);
    Ok(())
}
