//! Fields that are not stored, when the other side writes.

use abide::prelude::*;
use abide_services::Redis;

use crate::user::soon;

#[derive(State, Default)]
struct Guest {
    name: String,
    #[state(skip)]
    greeted: u64,
}

#[object(layout = "distobject", prefix = "guest", channel = "guest-updates")]
impl Guest {
    #[handler]
    fn greet(&mut self) -> u64 {
        self.greeted += 1;
        self.greeted
    }
}

#[tokio::test]
async fn what_the_other_side_writes_leaves_them_as_they_are() {
    let redis = Redis::start().unwrap();
    let abide = Abide::open(redis.url()).register::<Guest>().start().await.unwrap();
    let guest = abide.object::<Guest>("a");
    let mut live = guest.live().await.unwrap();
    for (greeted, name) in [(1, "Ann"), (2, "Bob")] {
        assert_eq!(guest.greet().await.unwrap(), greeted);
        redis.ask(&["HSET", "guest:a", "name", name]).unwrap();
        let message = json!({"id": "guest:a", "changes": {"name": name}});
        redis.ask(&["PUBLISH", "guest-updates", &message.to_string()]).unwrap();
        soon("the name", live.until(|guest| guest.name == name)).await.unwrap();
    }
    assert_eq!(guest.greet().await.unwrap(), 3);
}
