//! What the two sides see of each other, one write at a time.

use std::collections::BTreeMap;

use abide::{Code, prelude::*};
use abide_services::Redis;

use crate::user::{User, node, soon};

fn hash(redis: &Redis, key: &str) -> BTreeMap<String, String> {
    let text = redis.ask(&["HGETALL", key]).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    std::iter::from_fn(|| Some((lines.next()?, lines.next()?))).collect()
}

fn tell(redis: &Redis, id: &str, field: &str, text: &str) {
    redis.ask(&["HSET", &format!("user:{id}"), field, text]).unwrap();
    let message = json!({"id": format!("user:{id}"), "changes": {field: text}});
    redis.ask(&["PUBLISH", "user-updates", &message.to_string()]).unwrap();
}

#[tokio::test]
async fn the_flat_hash_has_the_fields_of_the_type_as_strings_and_nothing_else() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a:b");
    user.sign_up("Ann".into(), None).await.unwrap();
    user.visit(3).await.unwrap();
    let seconds = (user.load().await.unwrap().updated_at.as_millis() / 1_000).to_string();
    let expected = [("email", ""), ("name", "Ann"), ("updated_at", &*seconds), ("visits", "3")];
    let expected = expected.map(|(field, text)| (field.to_owned(), text.to_owned()));
    assert_eq!(hash(&redis, "user:a:b"), BTreeMap::from(expected));
    user.leave().await.unwrap();
    assert_eq!(hash(&redis, "user:a:b"), BTreeMap::new());
}

#[tokio::test]
async fn what_was_written_before_anybody_listened_is_there_at_the_first_look() {
    let redis = Redis::start().unwrap();
    redis.ask(&["HSET", "user:a", "name", "Ann", "visits", "7", "email", "", "updated_at", "0"]).unwrap();
    let abide = node(&redis).await;
    let loaded = abide.object::<User>("a").load().await.unwrap();
    assert_eq!((loaded.seq.number(), loaded.state.name.as_str(), loaded.state.visits), (1, "Ann", 7));
    redis.ask(&["HSET", "user:b", "name", "Bob", "visits", "1"]).unwrap();
    assert_eq!(abide.object::<User>("b").visit_again().await.unwrap(), 2, "also without a message");
    assert_eq!(redis.ask(&["HGET", "user:b", "email"]).unwrap(), "", "with the fields that were missing");
}

#[tokio::test]
async fn a_string_that_its_field_cannot_hold_is_left_out_and_the_others_are_taken() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.visit(1).await.unwrap();
    let mut live = user.live().await.unwrap();
    redis.ask(&["HSET", "user:a", "visits", "-5", "name", "Ann"]).unwrap();
    let message = json!({"id": "user:a", "changes": {"visits": "-5", "name": "Ann"}});
    redis.ask(&["PUBLISH", "user-updates", &message.to_string()]).unwrap();
    let shown = soon("the name", live.until(|user| user.name == "Ann")).await.unwrap();
    assert_eq!(shown.state.visits, 1);
    tell(&redis, "a", "visits", "many");
    tell(&redis, "a", "visits", "8");
    soon("the number", live.until(|user| user.visits == 8)).await.unwrap();
    assert_eq!(user.load().await.unwrap().seq.number(), 3, "what says nothing is no change");
}

#[tokio::test]
async fn a_deleted_user_is_not_brought_back_by_a_late_writer() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.visit(1).await.unwrap();
    user.leave().await.unwrap();
    tell(&redis, "a", "name", "zombie");
    soon("the end of the zombie", async {
        while redis.ask(&["EXISTS", "user:a"]).unwrap() != "0" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = user.load().await.unwrap_err();
    assert_eq!(
        (error.code(), error.detail()),
        (Code::NotFound, "User/a is not there: no call has created it, or it was deleted")
    );
    user.sign_up("again".into(), None).await.unwrap();
    tell(&redis, "a", "visits", "2");
    let mut live = user.live().await.unwrap();
    soon("the visit", live.until(|user| user.visits == 2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_while_the_server_was_away_is_found_when_it_is_back() {
    let mut redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.visit(1).await.unwrap();
    let mut live = user.live().await.unwrap();
    redis.kill9().unwrap();
    redis.start_again().unwrap();
    redis.ask(&["HSET", "user:a", "visits", "2"]).unwrap();
    soon("the write", live.until(|user| user.visits == 2)).await.unwrap();
}

#[tokio::test]
async fn a_handle_shows_what_happens_to_an_object_that_comes_and_goes() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    let mut live = user.live().await.unwrap();
    assert!(live.get().is_none());
    user.visit(1).await.unwrap();
    soon("the first visit", live.until(|user| user.visits == 1)).await.unwrap();
    user.leave().await.unwrap();
    soon("the end", async {
        while live.get().is_some() {
            live.changed().await.unwrap();
        }
    })
    .await;
    user.visit(2).await.unwrap();
    let shown = soon("the next life", live.until(|user| user.visits == 2)).await.unwrap();
    assert_eq!(shown.seq.number(), 3);
    abide.shutdown().await.unwrap();
    let ended = soon("the end of the node", async { while live.changed().await.is_ok() {} });
    ended.await;
}
