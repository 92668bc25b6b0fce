//! A thousand updates each way.

use abide::{Change, prelude::*};
use abide_services::Redis;

use crate::{
    program::Program,
    user::{User, changes_until, node, soon},
};

const UPDATES: u64 = 1_000;

fn visits(changes: &[Change]) -> Vec<u64> {
    changes.iter().filter_map(|change| change.patch.get("visits")?.as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_updates_of_a_program_become_a_thousand_changes() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let mut program = Program::start(&redis, &["write", &UPDATES.to_string()]);
    let id = program.says()["id"].as_str().unwrap().to_owned();
    let user = abide.object::<User>(id.strip_prefix("user:").unwrap());
    let changes = changes_until(&user, UPDATES).await;
    assert_eq!(visits(&changes), (0..=UPDATES).collect::<Vec<_>>());
    assert!(changes.iter().all(|change| change.cause.handler == "distobject"));
    let mut live = user.live().await.unwrap();
    let shown = soon("the latest state", live.until(|user| user.visits == UPDATES)).await.unwrap();
    assert_eq!((shown.state.name.as_str(), shown.state.email.as_deref()), ("Alice", Some("a@example.com")));
    assert_eq!(user.visits().await.unwrap(), UPDATES, "handlers see it");
    assert_eq!(user.visit_again().await.unwrap(), UPDATES + 1, "and build on it");
    assert_eq!(redis.ask(&["HGET", &id, "visits"]).unwrap(), (UPDATES + 1).to_string());
    abide.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_of_a_thousand_calls() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object_new::<User>();
    user.sign_up("Bob".into(), None).await.unwrap();
    let flat = format!("user:{}", user.key().unwrap().id());
    let mut program = Program::start(&redis, &["hear", &flat, &UPDATES.to_string()]);
    assert_eq!(program.says()["name"], "Bob");
    for nth in 1..=UPDATES {
        user.visit(nth).await.unwrap();
    }
    let said = program.says();
    let told = said["told"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap());
    assert_eq!(told.collect::<Vec<u64>>(), (1..=UPDATES).collect::<Vec<_>>());
    let seconds: i64 = said["updated_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(seconds, user.load().await.unwrap().updated_at.as_millis() / 1_000);
    assert_eq!(user.load().await.unwrap().state.email, None, "typed values survive");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_write_at_once_and_no_call_fails() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("01JYYYYYYYYYYYYYYYYYYYYYYY");
    user.sign_up("Eve".into(), Some("e".into())).await.unwrap();
    let mut live = user.live().await.unwrap();
    let mut program = Program::start(&redis, &["rename", "user:01JYYYYYYYYYYYYYYYYYYYYYYY", "500"]);
    for nth in 1..=500 {
        user.visit(nth).await.unwrap();
    }
    assert_eq!(program.says()["done"], 500);
    soon("agreement", live.until(|user| user.name == "name 500" && user.visits == 500)).await.unwrap();
    let flat = |field: &str| redis.ask(&["HGET", "user:01JYYYYYYYYYYYYYYYYYYYYYYY", field]).unwrap();
    assert_eq!((flat("name"), flat("visits"), flat("email")), ("name 500".into(), "500".into(), "e".into()));
    let names = changes_until(&user, 500).await;
    assert_eq!(visits(&names)[1..], (1..=500).collect::<Vec<_>>());
    // The log leads to the state.
    let at_last = abide.state_at(user.key().unwrap(), live.seq()).await.unwrap().state.value();
    assert_eq!((&at_last["name"], &at_last["visits"]), (&json!("name 500"), &json!(500)));
    assert_eq!(abide.store().verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_cut_off_again_and_again_ends_with_the_latest_and_never_goes_back() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let mut program = Program::start(&redis, &["write", &UPDATES.to_string()]);
    let id = program.says()["id"].as_str().unwrap().to_owned();
    let user = abide.object::<User>(id.strip_prefix("user:").unwrap());
    let mut live = user.live().await.unwrap();
    for part in 1..=4 {
        soon("an update", live.until(|user| user.visits >= part * UPDATES / 5)).await.unwrap();
        redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    }
    assert_eq!(program.says()["done"], UPDATES);
    let changes = changes_until(&user, UPDATES).await;
    assert!(visits(&changes).is_sorted(), "no old value comes back: {:?}", visits(&changes));
    soon("the latest state", live.until(|user| user.visits == UPDATES)).await.unwrap();
    assert_eq!(user.visits().await.unwrap(), UPDATES);
}
