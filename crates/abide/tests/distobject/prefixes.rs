//! Prefixes that begin one another.

use abide::{Code, prelude::*};
use abide_services::Redis;

use crate::user::{User, node, soon};

#[derive(State, Default)]
struct Session {
    n: u64,
}

#[object(layout = "distobject", prefix = "user:session", channel = "sessions")]
impl Session {
    #[handler]
    fn n(&self) -> u64 {
        self.n
    }
}

#[tokio::test]
async fn two_kinds_cannot_have_keys_that_could_be_of_either() {
    let builder = Abide::open("memory:").register::<User>().register::<Session>();
    let error = builder.start().await.err().unwrap();
    assert_eq!(error.code(), Code::BadRequest);
    assert_eq!(
        error.detail(),
        "kinds Session and User have prefixes of which one begins the other, \"user:session\" and \"user\": the keys of \
         the one would be the other's, too; give one of them another prefix"
    );
}

#[tokio::test]
async fn what_others_keep_below_a_prefix_makes_no_object_and_stays_as_it_is() {
    let redis = Redis::start().unwrap();
    redis.ask(&["HSET", "user:session:1", "name", "old"]).unwrap();
    redis.ask(&["HSET", "user:b", "name", "Bob"]).unwrap();
    let abide = node(&redis).await;
    let own = abide.object::<User>("own:a");
    own.visit(1).await.unwrap();
    let mut live = own.live().await.unwrap();
    redis.ask(&["HSET", "user:session:2", "name", "new"]).unwrap();
    for (key, name) in [("user:session:2", "new"), ("user:own:a", "theirs")] {
        redis.ask(&["HSET", key, "name", name]).unwrap();
        let message = json!({"id": key, "changes": {"name": name}});
        redis.ask(&["PUBLISH", "user-updates", &message.to_string()]).unwrap();
    }
    soon("a write to an object that is there", live.until(|user| user.name == "theirs")).await.unwrap();
    for id in ["session:1", "session:2"] {
        let error = abide.object::<User>(id).load().await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{id}");
        assert_eq!(redis.ask(&["HLEN", &format!("user:{id}")]).unwrap(), "1");
    }
    assert_eq!(abide.object::<User>("b").load().await.unwrap().state.name, "Bob");
    let found = abide.find::<User>().await.unwrap().objects;
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["b", "own:a"]);
}
