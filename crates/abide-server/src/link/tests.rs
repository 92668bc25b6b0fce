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

use abide::{Abide, Clock, Json, Key, Kind, Namespace, Principal, SystemClock, Timestamp};
use abide_core::{ClientFrame, Seq};
use axum::http::HeaderMap;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{Arrived, Connection, End, Link, Lost, Opening, Told, Watching, Who, asking};
use crate::{
    ApiKeys, AuthOptions, ServerOptions,
    gate::Gate,
    peer::Peer,
    places::Held,
    reads::{Reads, ReadsOfCallers, Turn},
    shared::Shared,
    stranger::Stranger,
};

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

    fn put(&mut self, frame: String, _: Option<Turn>) -> Result<(), Lost> {
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
    let mut options = ServerOptions::default();
    options.limits.write_timeout = write_timeout;
    shared_by(options).await
}

async fn shared_by(options: ServerOptions) -> Arc<Shared> {
    let abide = Abide::open("memory:").start().await.unwrap();
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
    (Connection::serve(shared.clone(), link, opening()), heard, parting)
}

fn opening() -> Opening {
    let peer = Peer {
        address: Ipv4Addr::LOCALHOST.into(),
        certified: None,
        stranger: Stranger::default(),
        reads: ReadsOfCallers::default(),
    };
    Opening { headers: HeaderMap::new(), peer, stranger: Held::default(), alone: true }
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

/// A link whose other side says `hello` and never pauses after, for so long.
struct Busy {
    hello: Option<Value>,
    until: Instant,
    heard: Arc<Mutex<Vec<String>>>,
    ended: Arc<Mutex<Option<End>>>,
}

impl Link for Busy {
    type Text = String;

    fn poll_arrived(&mut self, _: &mut Context<'_>) -> Poll<Arrived<String>> {
        Poll::Ready(match self.hello.take() {
            Some(hello) => Arrived::Frame(hello.to_string()),
            None if Instant::now() < self.until => Arrived::Frame(json!({"type": "unwatch", "n": 1}).to_string()),
            None => Arrived::Over { finally: true },
        })
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, frame: String, _: Option<Turn>) -> Result<(), Lost> {
        self.heard.lock().push(frame);
        Ok(())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn probe(&mut self) -> Result<bool, Lost> {
        Ok(false)
    }

    async fn close(&mut self, end: End) {
        *self.ended.lock() = Some(end);
    }
}

/// How a connection ends whose client is never silent, and what it heard.
async fn busy(shared: &Arc<Shared>, token: Option<&str>) -> (Option<End>, Vec<String>) {
    let (heard, ended) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Option<End>>>::default());
    let hello = Some(json!({"type": "hello", "proto": 1, "token": token}));
    let link = Busy { hello, until: Instant::now() + PATIENCE, heard: heard.clone(), ended: ended.clone() };
    Connection::serve(shared.clone(), link, opening()).await;
    let heard = std::mem::take(&mut *heard.lock());
    (*ended.lock(), heard)
}

#[tokio::test]
async fn a_client_that_is_never_silent_is_told_that_the_server_stops() {
    let shared = shared(Duration::from_secs(3600)).await;
    shared.draining.cancel();
    shared.closing.cancel();
    let (ended, heard) = busy(&shared, None).await;
    assert_eq!(ended, Some(End::Stopping), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_is_never_silent_ends_with_what_it_has_shown() {
    let (dir, mut keys) = (tempfile::tempdir().unwrap(), ApiKeys::default());
    let soon = Timestamp::from_millis(SystemClock.now().as_millis() + 4000);
    let principal = Principal { subject: "alice".into(), ..Principal::default() };
    let token = keys.issue(principal, Timestamp::EPOCH, Some(soon));
    let file = dir.path().join("keys.toml");
    keys.write(&file).unwrap();
    let auth = Some(AuthOptions { keys: Some(file), ..AuthOptions::default() });
    let shared = shared_by(ServerOptions { auth, ..ServerOptions::default() }).await;
    let (ended, heard) = busy(&shared, Some(&token)).await;
    assert_eq!(ended, Some(End::Unknown), "{heard:?}");
    assert!(heard.last().unwrap().contains("unauthenticated"), "{heard:?}");
}

#[tokio::test]
async fn more_lists_and_states_than_are_read_at_a_time_are_all_answered() {
    let shared = shared(Duration::from_secs(3600)).await;
    let asks = (0..100).map(|n| match n % 2 {
        0 => json!({"type": "get", "n": n, "kind": "Counter", "id": "a"}),
        _ => json!({"type": "list", "n": n, "kind": "Counter"}),
    });
    let says = std::iter::once(json!({"type": "hello", "proto": 1})).chain(asks).collect();
    let (asks, heard, _) = connection(&shared, true, says);
    let answered = async {
        while heard.lock().len() < 101 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = asks => panic!("it has ended"),
        answered = timeout(PATIENCE, answered) => answered.expect("some are not answered"),
    }
}

#[tokio::test]
async fn an_address_has_some_places_and_few_of_them_before_it_says_who_is_there() {
    let mut options = ServerOptions::default();
    options.limits.connections_per_address = 8;
    let shared = shared_by(options).await;
    let place = |address: &str| shared.place(address.parse().unwrap());
    let mut admitted = Vec::new();
    for _ in 0..4 {
        let (first, second) = (place("192.0.2.1").unwrap(), place("192.0.2.1").unwrap());
        if admitted.len() < 6 {
            let error = place("192.0.2.1").err().unwrap();
            assert!(error.code() == abide::Code::Overloaded && error.detail().contains("hello"), "{error}");
        }
        drop(place("192.0.2.2").unwrap());
        admitted.extend([first.0, second.0]);
    }
    let error = place("192.0.2.1").err().unwrap();
    assert!(error.detail().contains("this address has 8"), "{error}");
    admitted.pop();
    drop(place("192.0.2.1").unwrap());
}

/// Something to watch.
#[derive(abide::State, Default)]
struct Room {
    topic: String,
}

#[abide::object]
impl Room {}

async fn with_rooms() -> Arc<Shared> {
    let abide = Abide::open("memory:").register::<Room>().start().await.unwrap();
    let options = ServerOptions::default();
    Arc::new(Shared::new(abide.node().clone(), &options, Gate::new(&options).unwrap()))
}

fn room() -> Key {
    Key::new(&Namespace::default(), &Kind::new("Room").unwrap(), "a").unwrap()
}

/// Runs a connection until this holds.
async fn until(mut connection: Pin<&mut impl Future<Output = ()>>, holds: impl Fn() -> bool) {
    let run = async {
        while !holds() {
            assert!(connection.as_mut().now_or_never().is_none(), "it has ended");
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, run).await.expect("it never comes");
}

#[tokio::test]
async fn the_old_connection_of_a_client_that_came_back_does_not_take_back_what_the_new_one_shows() {
    let shared = with_rooms().await;
    let shows = |hello: Value, data: &str| {
        let watch = json!({"type": "watch", "n": 1, "kind": "Room", "id": "a", "presence": true});
        vec![hello, watch, json!({"type": "present", "n": 1, "data": data})]
    };
    let shown = |data: &str| {
        let members = shared.node.members(&room());
        members.len() == 1 && members.values().all(|shown| *shown == Json::of(&data).unwrap())
    };
    let (old, heard, parting) = connection(&shared, true, shows(json!({"type": "hello", "proto": 1}), "old"));
    let mut old = pin!(old);
    until(old.as_mut(), || shown("old")).await;
    let resume = &welcome(&heard)["resume"];
    let (new, ..) = connection(&shared, true, shows(json!({"type": "hello", "proto": 1, "resume": resume}), "new"));
    let mut new = pin!(new);
    until(new.as_mut(), || shown("new")).await;
    // It hears only now that it was replaced.
    until_it_parts(old, &parting).await;
    assert!(shown("new"), "{:?}", shared.node.members(&room()));
    // What it shows itself is taken back.
    shared.closing.cancel();
    until(new.as_mut(), || shared.node.members(&room()).is_empty()).await;
}

#[tokio::test]
async fn one_network_cannot_end_the_waiting_for_clients_of_others() {
    let mut options = ServerOptions::default();
    options.limits.connections_per_address = 2;
    let shared = shared_by(options).await;
    let who = Who::of(&shared, None, &opening()).unwrap();
    let enter = async |address: &str, resume: Option<&str>| {
        let hello = json!({"type": "hello", "proto": 1, "resume": resume}).to_string();
        let ClientFrame::Hello(hello) = ClientFrame::parse(&hello, 1000).unwrap() else { panic!("{hello}") };
        shared.sessions.enter(&shared, &who, &hello, address.parse().unwrap()).await.unwrap()
    };
    let loses = async |address: &str| {
        let visit = enter(address, None).await;
        let token = visit.token.clone();
        shared.sessions.leave(&shared, visit, false).await;
        token
    };
    let (first, second, third) = (loses("192.0.2.1").await, loses("192.0.2.1").await, loses("192.0.2.1").await);
    let other = loses("192.0.2.2").await;
    assert!(!enter("192.0.2.1", Some(&third)).await.resumed, "more are waited for than of one network may be");
    assert!(enter("192.0.2.2", Some(&other)).await.resumed);
    assert!(enter("192.0.2.1", Some(&first)).await.resumed);
    // Who came back has given its place to another.
    let fourth = loses("192.0.2.1").await;
    for token in [second, fourth] {
        assert!(enter("192.0.2.1", Some(&token)).await.resumed);
    }
}

#[tokio::test]
async fn no_more_is_read_than_there_are_turns() {
    let shared = with_rooms().await;
    let (who, reads) = (Who::of(&shared, None, &opening()).unwrap(), Reads::of(1));
    let turn = reads.turn().await.unwrap();
    let list = ClientFrame::parse(r#"{"type":"list","n":1,"kind":"Room"}"#, 1000).unwrap();
    let ClientFrame::List(list) = list else { panic!("{list:?}") };
    let mut listed = pin!(asking::list(&shared, &who, list, &reads).unwrap());
    let mut got = pin!(asking::get(&shared, &who, room(), None, &reads).unwrap());
    let beginning = shared.node.begin_watch(&room()).unwrap();
    let mut watched = pin!(Watching::new(1, room(), beginning, None, &reads).into_stream());
    let beginning = shared.node.begin_watch(&room()).unwrap();
    let ahead = Some(Seq::new(1 << 50));
    let mut ahead = pin!(Watching::new(2, room(), beginning, ahead, &reads).into_stream());
    for _ in 0..10 {
        assert!(listed.as_mut().now_or_never().is_none(), "it was listed without a turn");
        assert!(got.as_mut().now_or_never().is_none(), "it was read without a turn");
        assert!(watched.next().now_or_never().is_none(), "it was watched without a turn");
        assert!(ahead.next().now_or_never().is_none(), "it was watched from elsewhere without a turn");
        tokio::task::yield_now().await;
    }
    drop(turn);
    drop(timeout(PATIENCE, listed).await.unwrap().unwrap());
    drop(timeout(PATIENCE, got).await.unwrap().unwrap());
    let told = timeout(PATIENCE, watched.next()).await.unwrap();
    assert!(reads.turn().now_or_never().is_none(), "a state that is not written yet has no turn");
    drop(told);
    let told = timeout(PATIENCE, ahead.next()).await.unwrap();
    assert!(matches!(told, Some((2, Told::Reset("ahead", ..)))), "it is told as what it is not");
    assert!(reads.turn().now_or_never().is_none(), "a state that is not written yet has no turn");
    drop(told);
    // It waits for what happens next, and for that it needs none.
    assert!(ahead.next().now_or_never().is_none());
    timeout(PATIENCE, reads.turn()).await.unwrap().unwrap();
}
