//! What a connection does when the other side takes nothing. No network can be made to stand still at a certain
//! frame, so the link is made for it.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use abide::Abide;
use axum::http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};

use super::{Arrived, Connection, End, Link, Lost, Opening};
use crate::{ServerOptions, gate::Gate, peer::Peer, shared::Shared, stranger::Stranger};

/// Nothing in a test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A link that says these frames, and whose other side may take none.
struct Still {
    says: VecDeque<Value>,
    takes: bool,
    heard: Arc<Mutex<Vec<String>>>,
    parting: Arc<Notify>,
}

impl Link for Still {
    type Text = String;

    fn poll_arrived(&mut self, _: &mut Context<'_>) -> Poll<Arrived<String>> {
        self.says.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Arrived::Frame(frame.to_string())))
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.takes { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn put(&mut self, frame: String) -> Result<(), Lost> {
        self.heard.lock().push(frame);
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.poll_room(cx)
    }

    fn probe(&mut self) -> Result<bool, Lost> {
        Ok(true)
    }

    async fn close(&mut self, _: End) {
        self.parting.notify_one();
        std::future::pending::<()>().await;
    }
}

async fn shared(write_timeout: Duration) -> Arc<Shared> {
    let abide = Abide::open("memory:").start().await.unwrap();
    let mut options = ServerOptions::default();
    options.limits.write_timeout = write_timeout;
    Arc::new(Shared::new(abide.node().clone(), &options, Gate::new(&options).unwrap()))
}

/// A connection on which this is said, what it hears, and when it is about to end.
fn connection(
    shared: &Arc<Shared>,
    takes: bool,
    says: Vec<Value>,
) -> (impl Future<Output = ()> + use<>, Arc<Mutex<Vec<String>>>, Arc<Notify>) {
    let (heard, parting) = (Arc::default(), Arc::new(Notify::new()));
    let link = Still { says: says.into(), takes, heard: Arc::clone(&heard), parting: parting.clone() };
    let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), certified: None, stranger: Stranger::default() };
    let opening = Opening { headers: HeaderMap::new(), peer };
    (Connection::serve(shared.clone(), link, opening), heard, parting)
}

/// Runs a connection until its farewell is on the way.
async fn until_it_parts(connection: Pin<&mut impl Future<Output = ()>>, parting: &Notify) {
    let parts = async {
        tokio::select! {
            () = connection => panic!("it has ended"),
            () = parting.notified() => {}
        }
    };
    timeout(PATIENCE, parts).await.expect("it does not part");
}

fn welcome(heard: &Mutex<Vec<String>>) -> Value {
    let welcome: Value = serde_json::from_str(&heard.lock()[0]).unwrap();
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    welcome
}

#[tokio::test]
async fn after_bye_a_token_is_void_though_the_farewell_is_still_on_its_way() {
    let shared = shared(Duration::from_secs(3600)).await;
    let hello = json!({"type": "hello", "proto": 1});
    let (leaves, heard, parting) = connection(&shared, true, vec![hello, json!({"type": "bye"})]);
    let mut leaves = pin!(leaves);
    until_it_parts(leaves.as_mut(), &parting).await;
    let first = welcome(&heard);
    let hello = json!({"type": "hello", "proto": 1, "resume": first["resume"]});
    let (comes, heard, parting) = connection(&shared, true, vec![hello, json!({"type": "bye"})]);
    until_it_parts(pin!(comes), &parting).await;
    let second = welcome(&heard);
    assert_eq!(second.get("resumed"), None);
    assert_ne!(second["client"], first["client"]);
}

#[tokio::test]
async fn a_client_that_is_refused_and_takes_nothing_is_let_go() {
    let shared = shared(Duration::from_millis(100)).await;
    for takes in [false, true] {
        let (refused, heard, _) = connection(&shared, takes, vec![json!({"type": "ping"})]);
        timeout(PATIENCE, refused).await.expect("it is still held");
        assert_eq!(heard.lock().len(), usize::from(takes));
    }
}
