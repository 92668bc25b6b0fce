//! Writes of both sides to one field, whose messages come late.

use abide::prelude::*;
use abide_services::Redis;

use crate::user::{User, changes_until, node, soon};

/// A program writes, and has not published yet.
fn write(redis: &Redis, name: &str) {
    redis.ask(&["HSET", "user:a", "name", name]).unwrap();
}

fn publish(redis: &Redis, changes: &serde_json::Value) {
    let message = json!({"id": "user:a", "changes": changes});
    redis.ask(&["PUBLISH", "user-updates", &message.to_string()]).unwrap();
}

/// The names that the log says, in its order.
async fn names(user: &Ref<User>) -> Vec<String> {
    let visits = user.visit_again().await.unwrap();
    let changes = changes_until(user, visits).await;
    changes.iter().filter_map(|change| Some(change.patch.get("name")?.as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn a_message_that_comes_late_does_not_take_back_what_was_written_after_it() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.sign_up("Ann".into(), Some("a@".into())).await.unwrap();
    let mut live = user.live().await.unwrap();
    redis.ask(&["HSET", "user:a", "name", "theirs", "email", "t@"]).unwrap();
    user.rename("ours".into()).await.unwrap();
    publish(&redis, &json!({"name": "theirs", "email": "t@"}));
    let shown = soon("the other field", live.until(|user| user.email.as_deref() == Some("t@"))).await.unwrap();
    assert_eq!(shown.state.name, "ours");
    assert_eq!(names(&user).await, ["Ann", "ours"]);
    assert_eq!(redis.ask(&["HGET", "user:a", "name"]).unwrap(), "ours");
}

#[tokio::test]
async fn of_three_writes_to_a_field_the_first_does_not_come_back_before_the_third() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.sign_up("Ann".into(), None).await.unwrap();
    let mut live = user.live().await.unwrap();
    write(&redis, "first");
    user.rename("second".into()).await.unwrap();
    write(&redis, "third");
    publish(&redis, &json!({"name": "first"}));
    publish(&redis, &json!({"name": "third"}));
    soon("the third", live.until(|user| user.name == "third")).await.unwrap();
    for name in ["fourth", "fifth"] {
        write(&redis, name);
        publish(&redis, &json!({"name": name}));
    }
    soon("the fifth", live.until(|user| user.name == "fifth")).await.unwrap();
    assert_eq!(names(&user).await, ["Ann", "second", "third", "fourth", "fifth"], "and every later one is told");
}
