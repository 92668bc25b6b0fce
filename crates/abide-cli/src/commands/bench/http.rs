use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::task::JoinSet;

use super::{
    Load,
    meter::{Meter, Summary, now},
};
use crate::{
    client::{Body, Client, Connection, object_path},
    failure::Outcome,
};

/// Workers, a connection each, increment counters.
pub(super) async fn run(client: &Client, load: Load, meter: Meter) -> Outcome<Summary> {
    let mut workers = JoinSet::new();
    for worker in 0..load.workers {
        let connection = client.connect().await?;
        workers.spawn(work(client.clone(), connection, worker, load, meter.clone()));
    }
    meter.begin().await;
    while workers.join_next().await.is_some() {}
    clean(client, load).await?;
    Ok(meter.summary())
}

async fn work(client: Client, mut connection: Connection, worker: u32, load: Load, meter: Meter) {
    let mut recorder = meter.recorder();
    let mut n = worker.wrapping_mul(0x9e37_79b9);
    while !meter.over().is_cancelled() {
        let begun = now();
        n = n.wrapping_add(load.workers);
        match increment(&client, &mut connection, n % load.objects).await {
            Ok(StatusCode::OK) => recorder.done(begun),
            Ok(_) => recorder.failed(),
            Err(_) => {
                recorder.failed();
                match client.connect().await {
                    Ok(again) => connection = again,
                    Err(_) => return,
                }
            }
        }
    }
}

/// Adds one to a counter of the benchmark.
pub(super) async fn increment(client: &Client, connection: &mut Connection, n: u32) -> std::io::Result<StatusCode> {
    let path = object_path(&["Counter", &id(n), "increment"]);
    let request = client.request(Method::POST, &path).body(Body::new(Bytes::new())).map_err(std::io::Error::other)?;
    let response = connection.send(request).await.map_err(std::io::Error::other)?;
    let status = response.status();
    Connection::read(response).await?;
    Ok(status)
}

/// Deletes the counters, many at a time: each deletion waits for the disk.
pub(super) async fn clean(client: &Client, load: Load) -> Outcome {
    let many = load.workers.min(load.objects);
    let mut workers = JoinSet::new();
    for first in 0..many {
        let (client, connection) = (client.clone(), client.connect().await?);
        let ids = (first..load.objects).step_by(many as usize);
        workers.spawn(async move { delete(&client, connection, ids).await });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(std::io::Error::other)??;
    }
    Ok(())
}

async fn delete(client: &Client, mut connection: Connection, ids: impl Iterator<Item = u32>) -> std::io::Result<()> {
    for n in ids {
        let path = object_path(&["Counter", &id(n)]);
        let request = client.request(Method::DELETE, &path).body(Body::new(Bytes::new()));
        let response = connection.send(request.map_err(std::io::Error::other)?).await.map_err(std::io::Error::other)?;
        Connection::read(response).await?;
    }
    Ok(())
}

pub(super) fn id(n: u32) -> String {
    format!("bench-{n}")
}
