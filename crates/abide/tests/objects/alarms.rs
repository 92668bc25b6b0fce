use std::time::Duration;

use abide::prelude::*;

#[derive(State, Default)]
pub struct Clocked {
    fired: Vec<String>,
    fail_first: u32,
}

#[object]
impl Clocked {
    #[handler]
    pub fn set(&mut self, ctx: &mut Context, name: String, millis: u64) {
        ctx.alarm(name.as_str()).payload(json!("hello")).after(Duration::from_millis(millis));
    }

    #[handler]
    pub fn every(&mut self, ctx: &mut Context, millis: u64) {
        ctx.alarm("tick").every(Duration::from_millis(millis));
    }

    #[handler]
    pub fn cancel(&mut self, ctx: &mut Context, name: String) {
        ctx.alarm(name.as_str()).cancel();
    }

    #[handler]
    pub fn fail_first(&mut self, times: u32) {
        self.fail_first = times;
    }

    #[handler]
    pub fn fired(&self) -> Vec<String> {
        self.fired.clone()
    }

    #[handler]
    pub fn pending(&self, ctx: &Context) -> usize {
        ctx.alarms().len()
    }

    #[alarm]
    pub fn ring(&mut self, ctx: &mut Context, payload: String) -> Result<()> {
        if ctx.attempt() < self.fail_first {
            return Err(Error::rejected("not yet"));
        }
        self.fired.push(format!("{payload} after {}", ctx.attempt()));
        Ok(())
    }

    #[alarm]
    pub fn tick(&mut self, ctx: &mut Context) {
        self.fired.push("tick".into());
        if self.fired.len() == 3 {
            ctx.alarm("tick").cancel();
        }
    }
}

async fn start(url: &str) -> Abide {
    Abide::open(url)
        .register::<Clocked>()
        .configure(|o| o.alarm_backoff.first = Duration::from_millis(10))
        .start()
        .await
        .unwrap()
}

async fn wait_for(object: &ClockedRef, count: usize) -> Vec<String> {
    for _ in 0..400 {
        let fired = object.fired().await.unwrap();
        if fired.len() >= count {
            return fired;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("only {:?} fired", object.fired().await);
}

#[tokio::test]
async fn an_alarm_fires_once_with_its_payload_and_is_gone() {
    let abide = start("memory:").await;
    let object = abide.object::<Clocked>("a");
    object.set("ring".into(), 30).await.unwrap();
    assert_eq!(object.pending().await.unwrap(), 1);
    assert_eq!(wait_for(&object, 1).await, ["hello after 0"]);
    assert_eq!(object.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_failing_alarm_is_tried_again() {
    let abide = start("memory:").await;
    let object = abide.object::<Clocked>("a");
    object.fail_first(2).await.unwrap();
    object.set("ring".into(), 1).await.unwrap();
    assert_eq!(wait_for(&object, 1).await, ["hello after 2"]);
}

#[tokio::test]
async fn a_repeating_alarm_repeats_until_it_is_cancelled() {
    let abide = start("memory:").await;
    let object = abide.object::<Clocked>("a");
    object.every(20).await.unwrap();
    assert_eq!(wait_for(&object, 3).await, ["tick", "tick", "tick"]);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(object.fired().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_cancelled_alarm_does_not_fire_and_a_replaced_one_fires_once() {
    let abide = start("memory:").await;
    let object = abide.object::<Clocked>("a");
    object.set("ring".into(), 60).await.unwrap();
    object.set("ring".into(), 30).await.unwrap();
    object.set("tick".into(), 30).await.unwrap();
    object.cancel("tick".into()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(object.fired().await.unwrap(), ["hello after 0"]);
}

#[tokio::test]
async fn alarms_that_came_due_while_the_node_was_down_fire_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("a.db").display());
    let abide = start(&url).await;
    for id in 0..200 {
        abide.object::<Clocked>(&id.to_string()).set("ring".into(), 200).await.unwrap();
    }
    abide.abort();
    drop(abide);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let abide = start(&url).await;
    for id in 0..200 {
        wait_for(&abide.object::<Clocked>(&id.to_string()), 1).await;
    }
    abide.shutdown().await.unwrap();
}

/// The kind as it was, and as it is now: what was stored then cannot be read any more.
mod before {
    use abide::prelude::*;

    #[derive(State, Default)]
    pub struct Changed {
        pub value: i64,
    }

    #[object]
    impl Changed {
        #[handler]
        pub fn set(&mut self, ctx: &mut Context, value: i64) {
            self.value = value;
            ctx.alarm("ring").after(std::time::Duration::from_millis(200));
            ctx.alarm("later").after(std::time::Duration::from_secs(3_600));
        }

        #[alarm]
        pub fn ring(&mut self) {}

        #[alarm]
        pub fn later(&mut self) {}
    }
}

mod now {
    use abide::prelude::*;

    #[derive(State, Default)]
    pub struct Changed {
        pub value: Vec<String>,
    }

    #[object]
    impl Changed {
        #[alarm]
        pub fn ring(&mut self) {
            self.value.push("rang".into());
        }

        #[alarm]
        pub fn later(&mut self) {}
    }
}

#[tokio::test]
async fn an_alarm_of_an_object_that_cannot_be_read_is_given_up_and_kept() {
    use abide::{Backoff, Key, Namespace, Store, port::store::AlarmsQuery, store::MemoryStore};

    let store = MemoryStore::new(16);
    let written = Abide::over(std::sync::Arc::new(store.clone())).register::<before::Changed>().start().await.unwrap();
    written.object::<before::Changed>("a").set(7).await.unwrap();
    written.abort();
    let key = Key::parse("default", "Changed", "a").unwrap();
    let query = AlarmsQuery { key: Some(key), namespace: Namespace::default(), dead: false, after: None, limit: 9 };
    let attempts = Backoff {
        first: Duration::from_millis(1),
        max: Duration::from_millis(2),
        attempts_max: Some(2),
        ..Backoff::default()
    };
    let alarms = store.alarms(query.clone()).await.unwrap().alarms;
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    let abide = Abide::over(std::sync::Arc::new(store.clone())).register::<now::Changed>();
    let abide = abide.configure(|options| options.alarm_backoff = attempts).start().await.unwrap();
    let dead = loop {
        let alarms = store.alarms(query.clone()).await.unwrap().alarms;
        if let Some(dead) = alarms.iter().find(|due| due.alarm.dead.is_some()) {
            assert_eq!(alarms.len(), 2, "the other one waits for its time: {alarms:?}");
            break dead.alarm.clone();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!((&*dead.name, dead.attempt), ("ring", 3));
    let loaded = store.load(&Key::parse("default", "Changed", "a").unwrap()).await.unwrap().unwrap();
    assert_eq!(loaded.state.unwrap().as_str(), r#"{"value":7}"#, "the object is as it was");
    assert!(store.verify(9).await.unwrap().is_empty());
    abide.shutdown().await.unwrap();
}
