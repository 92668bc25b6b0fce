//! On whose behalf handlers run: from the call on, through calls, messages and alarms.

use std::{sync::Arc, time::Duration};

use abide::{After, Principal, prelude::*};

#[derive(State, Default)]
pub struct Witness {
    seen: Vec<String>,
}

#[object]
impl Witness {
    #[handler]
    pub fn record(&mut self, ctx: &mut Context, how: String) {
        let who = ctx.principal().map_or_else(
            || "nobody".to_owned(),
            |who| format!("{}@{} {}", who.subject, who.namespace, who.roles.join(",")),
        );
        self.seen.push(format!("{how}: {who}"));
    }

    #[handler]
    pub async fn call_on(&mut self, ctx: &mut Context, to: String) -> Result<()> {
        ctx.object::<Self>(&to).record("call".into()).await
    }

    #[handler]
    pub fn send_on(&mut self, ctx: &mut Context, to: String) -> Result<()> {
        ctx.send("Witness", &to, "send_again", json!({ "to": to }))
    }

    #[handler]
    pub fn send_again(&mut self, ctx: &mut Context, to: String) -> Result<()> {
        ctx.send("Witness", &to, "record", json!({"how": "message"}))
    }

    #[handler]
    pub fn remind(&mut self, ctx: &mut Context, after: String) {
        ctx.alarm("rung").after(&*after);
    }

    #[handler]
    pub fn remind_often(&mut self, ctx: &mut Context) {
        ctx.alarm("rung").every("2ms");
    }

    #[handler]
    pub fn remind_badly(&mut self, ctx: &mut Context) {
        ctx.alarm("try_twice").after("1ms");
    }

    #[handler]
    pub fn time(&mut self, ctx: &mut Context) {
        ctx.timer_every("rung", Duration::from_millis(2));
    }

    #[alarm]
    pub fn try_twice(&mut self, ctx: &mut Context) -> Result<()> {
        if ctx.attempt() == 0 {
            return Err(Error::rejected("not yet"));
        }
        self.record(ctx, format!("try {}", ctx.attempt()));
        ctx.alarm("rung").after("1ms");
        Ok(())
    }

    #[alarm]
    pub fn rung(&mut self, ctx: &mut Context) {
        self.record(ctx, "alarm".into());
        if self.seen.len() == 3 {
            ctx.alarm("rung").cancel();
            ctx.cancel_timer("rung");
        }
    }
}

fn alice() -> Arc<Principal> {
    let namespace = abide::Namespace::new("acme").unwrap();
    Arc::new(Principal { subject: "alice".into(), roles: vec!["user".into(), "ops".into()], namespace })
}

async fn start(url: &str) -> Abide {
    Abide::open(url).register::<Witness>().start().await.unwrap()
}

/// What an object has seen once it has seen this much.
async fn seen(abide: &Abide, id: &str, count: usize) -> Vec<String> {
    let mut changes = abide.object::<Witness>(id).changes(After::Start).await.unwrap();
    loop {
        let state = abide.object::<Witness>(id).peek().await.unwrap();
        let seen = state.map(|found| found.state.seen).unwrap_or_default();
        if seen.len() >= count {
            return seen;
        }
        changes.next().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_calls_is_seen_through_calls_and_messages() {
    let abide = start("memory:").await;
    let witness = abide.object::<Witness>("a");
    witness.record("direct".into()).on_behalf_of(alice()).await.unwrap();
    witness.call_on("b".into()).on_behalf_of(alice()).await.unwrap();
    witness.send_on("c".into()).on_behalf_of(alice()).await.unwrap();
    witness.send_on("d".into()).await.unwrap();
    for (id, expected) in [
        ("a", "direct: alice@acme user,ops"),
        ("b", "call: alice@acme user,ops"),
        ("c", "message: alice@acme user,ops"),
        ("d", "message: nobody"),
    ] {
        assert_eq!(seen(&abide, id, 1).await, [expected]);
    }
}

#[tokio::test]
async fn an_alarm_fires_on_behalf_of_whoever_set_it_also_when_it_repeats() {
    let abide = start("memory:").await;
    abide.object::<Witness>("a").remind("1ms".into()).on_behalf_of(alice()).await.unwrap();
    assert_eq!(seen(&abide, "a", 1).await, ["alarm: alice@acme user,ops"]);
    abide.object::<Witness>("b").remind("1ms".into()).await.unwrap();
    assert_eq!(seen(&abide, "b", 1).await, ["alarm: nobody"]);
    abide.object::<Witness>("c").remind_often().on_behalf_of(alice()).await.unwrap();
    assert_eq!(seen(&abide, "c", 3).await, ["alarm: alice@acme user,ops"; 3]);
}

#[tokio::test]
async fn whoever_set_an_alarm_is_seen_when_it_is_tried_again_and_by_the_alarms_it_sets() {
    let abide = Abide::open("memory:")
        .register::<Witness>()
        .configure(|options| options.alarm_backoff.first = Duration::from_millis(1))
        .start()
        .await
        .unwrap();
    abide.object::<Witness>("a").remind_badly().on_behalf_of(alice()).await.unwrap();
    assert_eq!(seen(&abide, "a", 2).await, ["try 1: alice@acme user,ops", "alarm: alice@acme user,ops"]);
}

#[tokio::test]
async fn a_timer_fires_on_behalf_of_whoever_set_it() {
    let abide = start("memory:").await;
    abide.object::<Witness>("a").time().on_behalf_of(alice()).await.unwrap();
    assert_eq!(seen(&abide, "a", 3).await, ["alarm: alice@acme user,ops"; 3]);
}

#[tokio::test]
async fn an_alarm_knows_who_set_it_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("abide.db").display());
    let abide = start(&url).await;
    abide.object::<Witness>("a").remind("300ms".into()).on_behalf_of(alice()).await.unwrap();
    abide.node().shutdown().await.unwrap();
    let abide = start(&url).await;
    assert_eq!(seen(&abide, "a", 1).await, ["alarm: alice@acme user,ops"]);
}
