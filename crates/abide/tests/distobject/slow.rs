//! A hook that does not come to its end, when the other side makes an object.

use abide::prelude::*;
use abide_services::Redis;

#[derive(State, Default)]
struct Sleeper {
    name: String,
}

#[object(layout = "distobject", prefix = "sleeper", channel = "sleeper-updates")]
impl Sleeper {
    #[hook]
    async fn on_create(&mut self) {
        std::future::pending::<()>().await;
    }

    #[handler]
    fn name(&self) -> String {
        self.name.clone()
    }
}

#[tokio::test]
async fn a_hook_that_waits_for_ever_does_not_hold_the_object_for_ever() {
    let redis = Redis::start().unwrap();
    redis.ask(&["HSET", "sleeper:a", "name", "Ann"]).unwrap();
    let builder = Abide::open(redis.url()).register::<Sleeper>();
    let abide = builder
        .configure(|options| options.call_timeout = std::time::Duration::from_millis(500))
        .start()
        .await
        .unwrap();
    let name = abide.object::<Sleeper>("a").name().timeout("60s").await;
    assert_eq!(name.unwrap(), "", "what cannot be taken in is left where it is");
}
