//! Calls with a key, made again.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use abide::{CallOptions, Code, Delivery, prelude::*, testing};

static TRIES: AtomicU32 = AtomicU32::new(0);

#[derive(State, Default)]
pub struct Guest {
    visits: i64,
}

#[object]
impl Guest {
    #[handler]
    pub fn visit(&mut self) -> i64 {
        self.visits += 1;
        self.visits
    }

    #[handler]
    pub fn leave(&mut self, ctx: &mut Context) -> i64 {
        ctx.delete_self();
        self.visits
    }

    /// Takes effect at the first try, and is refused later, as where a rule or another object has changed.
    #[handler]
    pub fn welcome_once(&mut self) -> Result<i64> {
        match TRIES.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(self.visit()),
            _ => Err(Error::new(Code::Denied, "not any more")),
        }
    }
}

fn keyed(key: &str) -> CallOptions {
    CallOptions { key: Some(key.into()), delivery: Delivery::ExactlyOnce, existing: true, ..CallOptions::default() }
}

#[test]
fn whoever_may_not_create_gets_the_stored_answer_to_a_call_that_deleted_its_object() {
    testing::run(|world| async move {
        let world = world.register::<Guest>().start().await;
        world.object::<Guest>("a").visit().await.unwrap();
        for _ in 0..3 {
            let leave = world.call::<i64>("Guest", "a", "leave", json!({})).options(keyed("k"));
            assert_eq!(leave.await.unwrap(), 1);
        }
        for handler in ["leave", "visit"] {
            let other = world.call::<i64>("Guest", "a", handler, json!({})).options(keyed("other"));
            assert_eq!(other.await.unwrap_err().code(), Code::Denied);
        }
        assert!(world.state::<Guest>("a").is_none());
    });
}

#[test]
fn what_did_not_come_from_the_handlers_own_word_leaves_open_what_an_earlier_try_did() {
    testing::run(|world| async move {
        let world = world.register::<Guest>().start().await;
        world.next_commits([testing::Fate::UnknownLost]);
        let error = world.object::<Guest>("a").welcome_once().key("k").await.unwrap_err();
        assert_eq!((error.code(), error.is_maybe_applied()), (Code::Denied, true), "{error}");
    });
}

#[derive(State, Default)]
pub struct Lodger {
    visits: i64,
}

#[object(durability = "behind:1h")]
impl Lodger {
    #[handler]
    pub async fn visit(&mut self) -> i64 {
        self.visits += 1;
        self.visits
    }

    #[handler]
    pub async fn leave(&mut self, ctx: &mut Context) -> i64 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ctx.delete_self();
        TRIES_TO_LEAVE.fetch_add(1, Ordering::SeqCst);
        self.visits
    }
}

static TRIES_TO_LEAVE: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_call_that_deletes_an_object_that_owes_is_known_until_the_store_knows_it() {
    testing::seeds(0..10, |world| async move {
        TRIES_TO_LEAVE.store(0, Ordering::SeqCst);
        let world = world.register::<Lodger>().start().await;
        let lodger = world.object::<Lodger>("a");
        lodger.visit().await.unwrap();
        let leave = || tokio::spawn(lodger.leave().key("k").into_future());
        let mut calls = vec![leave()];
        tokio::time::sleep(Duration::from_millis(500)).await;
        // What it owes, and that it goes, are on their way for long, one after the other; reads are quick.
        world.set_faults(testing::Faults { delay_ms: 0..=1000, ..testing::Faults::none() });
        tokio::time::sleep(Duration::from_millis(501)).await;
        world.set_faults(testing::Faults::none());
        for _ in 0..60 {
            calls.push(leave());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), 1);
        }
        assert_eq!(TRIES_TO_LEAVE.load(Ordering::SeqCst), 1);
        assert!(world.state::<Lodger>("a").is_none());
    });
}
