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

#[tokio::test]
async fn what_somebody_set_or_sent_who_cannot_be_read_is_given_up_and_never_runs_as_the_program() {
    use abide::{
        Backoff, Json, Key, Namespace, Store, Timestamp,
        port::store::{Alarm, AlarmWrite, AlarmsQuery, Commit, MessageId, OutboxMessage},
        store::MemoryStore,
    };

    let store = MemoryStore::new(16);
    let abide = Abide::over(Arc::new(store.clone())).register::<Witness>().start().await.unwrap();
    abide.object::<Witness>("a").remind("1h".into()).on_behalf_of(alice()).await.unwrap();
    abide.abort();

    let key = |id| Key::parse("default", "Witness", id).unwrap();
    let (a, damaged) = (key("a"), Some(Json::trusted(r#"{"roles":["admin"]}"#)));
    let (epochs, loaded) = (store.claim().await.unwrap(), store.load(&a).await.unwrap().unwrap());
    let alarm = Alarm { due: Timestamp::EPOCH, principal: damaged.clone(), ..loaded.alarms[0].clone() };
    let message = |n, how: &str, principal| OutboxMessage {
        id: MessageId { sender: a.clone(), n: (loaded.head.number() << 16) + n },
        target: key("b"),
        handler: "record".into(),
        args: Json::of(&json!({ "how": how })).unwrap(),
        principal,
        at: Timestamp::EPOCH,
    };
    let shard = a.shard(store.shards());
    let kept =
        Commit::keep(a.clone(), shard, epochs[shard.number() as usize], loaded.commit_id.wrapping_add(1), loaded.head);
    let commit = Commit {
        incarnation: loaded.incarnation,
        alarms: vec![AlarmWrite::Set(alarm)],
        outbox: vec![message(1, "damaged", damaged.clone()), message(2, "whole", None)],
        ..kept
    };
    store.commit(vec![commit]).await.unwrap();

    let once = Backoff { first: Duration::from_millis(1), attempts_max: Some(1), ..Backoff::default() };
    let abide = Abide::over(Arc::new(store.clone())).register::<Witness>();
    let abide = abide.configure(|options| options.alarm_backoff = once).start().await.unwrap();
    assert_eq!(seen(&abide, "b", 1).await, ["whole: nobody"]);
    let query = AlarmsQuery { key: Some(a), namespace: Namespace::default(), dead: true, after: None, limit: 9 };
    let dead = loop {
        if let Some(due) = store.alarms(query.clone()).await.unwrap().alarms.pop() {
            break due.alarm.dead.unwrap_or_default();
        }
        tokio::task::yield_now().await;
    };
    assert!(dead.contains("on whose behalf it is cannot be read"), "{dead}");
    assert_eq!(abide.object::<Witness>("a").load().await.unwrap().state.seen, [""; 0]);
}
