//! How a server ends.

use std::time::Duration;

use abide_server::{Server, ServerOptions};
use tokio::{net::TcpStream, time::sleep};

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn what_is_under_way_finishes_and_nothing_new_is_taken() {
    let world = World::durable().await;
    let address = world.address;
    let slow = world.post("/v1/objects/Counter/a/slowly", "[1000]");
    let stop = async {
        world.until_in_memory("Counter", "a").await;
        world.stop.cancel();
        sleep(Duration::from_millis(100)).await;
        assert!(TcpStream::connect(address).await.is_err(), "connections are still taken");
    };
    let (answer, ()) = tokio::join!(slow, stop);
    assert_eq!(answer.ok()["result"], serde_json::json!(1));
    assert!(!world.node.is_running() || world.stop.is_cancelled());
    world.stopped().await.unwrap();
}

#[tokio::test]
async fn a_server_that_drains_is_not_ready_and_still_answers() {
    let world = World::plan().server(|options| options.limits.drain_delay = Duration::from_millis(300)).start().await;
    world.get("/readyz").await.ok();
    world.stop.cancel();
    sleep(Duration::from_millis(50)).await;
    let answer = world.get("/readyz").await;
    answer.problem(503, "unavailable", "stopping");
    assert_eq!(answer.header("retry-after"), "1");
    world.get("/healthz").await.ok();
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    world.stopped().await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_its_time() {
    let plan = World::plan().server(|options| options.limits.drain_timeout = Duration::from_millis(200));
    let world = plan.node(|node| node.drain_timeout = Duration::from_secs(1)).start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = b"POST /v1/objects/Counter/a/hang HTTP/1.1\r\nhost: localhost\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    // Whether the node could end the hanging turn is its own matter; that it ends is ours.
    let _ = world.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_node_that_is_stopped_takes_its_server_with_it() {
    let world = World::new().await;
    world.node.shutdown().await.unwrap();
    tokio::time::timeout(PATIENCE, world.running).await.expect("the server runs on").unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_drains_says_unavailable() {
    let world = World::new().await;
    let slow = world.post("/v1/objects/Counter/a/slowly", "[4000]");
    let others = async {
        world.until_in_memory("Counter", "a").await;
        let (_, ()) = tokio::join!(world.node.shutdown(), async {
            sleep(Duration::from_millis(50)).await;
            let answer = world.post("/v1/objects/Counter/b/step", "").await;
            let problem = answer.problem(503, "unavailable", "shutting down");
            assert_eq!(problem["maybe_applied"], serde_json::json!(false));
            assert_eq!(answer.header("retry-after"), "1");
            world.get("/readyz").await.problem(503, "unavailable", "stopping");
        });
    };
    let (answer, ()) = tokio::join!(slow, others);
    answer.ok();
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_the_server() {
    let world = World::new().await;
    let server = Server::bind(world.node.clone(), ServerOptions::on("127.0.0.1:0")).await.unwrap();
    let running = tokio::spawn(server.run_until_signal());
    sleep(Duration::from_millis(100)).await;
    let told = std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
    assert!(told.unwrap().success());
    tokio::time::timeout(PATIENCE, running).await.expect("the server runs on").unwrap().unwrap();
    assert!(!world.node.is_running());
}
