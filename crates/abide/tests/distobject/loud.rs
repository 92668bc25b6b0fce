//! Channels on which there is never a pause.

use std::time::Duration;

use abide::prelude::*;
use abide_services::Redis;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::user::{User, node, soon};

/// How often somebody else is written to.
const PACE: Duration = Duration::from_millis(2);

/// Tells of somebody else again and again.
async fn make_noise(port: u16) {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let message = json!({"id": "nobody:b", "changes": {}}).to_string();
    let publish = format!("*3\r\n$7\r\nPUBLISH\r\n$12\r\nuser-updates\r\n${}\r\n{message}\r\n", message.len());
    let mut ticks = tokio::time::interval(PACE);
    loop {
        ticks.tick().await;
        server.write_all(publish.as_bytes()).await.unwrap();
        let mut answer = [0; 4];
        server.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b":1\r\n", "one listener");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_message_is_lost_is_found_while_others_write_without_a_pause() {
    let redis = Redis::start().unwrap();
    let abide = node(&redis).await;
    let user = abide.object::<User>("a");
    user.visit(1).await.unwrap();
    let mut live = user.live().await.unwrap();
    let mut noise = JoinSet::new();
    noise.spawn(make_noise(redis.port()));
    noise.spawn(make_noise(redis.port()));
    redis.ask(&["HSET", "user:a", "visits", "2"]).unwrap();
    // Something else of the object is told, so that it is looked at before the next sweep.
    let message = json!({"id": "user:a", "changes": {"name": ""}});
    redis.ask(&["PUBLISH", "user-updates", &message.to_string()]).unwrap();
    soon("the write", live.until(|user| user.visits == 2)).await.unwrap();
    assert!(noise.try_join_next().is_none(), "it goes on");
}
