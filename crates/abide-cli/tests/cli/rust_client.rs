//! The Rust client, against real nodes in processes of their own.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use abide::{
    Backoff, Client, Code, Json, Kind, Objects, Seq,
    client::{Builder, News, Push, Search},
    prelude::*,
};
use abide_cli::demo::{Counter, Wallet};
use chat_example::{ChatRoom, ChatSession};
use serde_json::json;
use tokio::{sync::watch, task::block_in_place};

use crate::node::{Node, PATIENCE, abide, finish};

/// A client that comes back soon.
fn eager() -> Builder {
    let backoff = Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200), ..Backoff::default() };
    Client::builder().backoff(backoff)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Why a client has no connection, with what to do about it.
fn told(client: &Client, advice: &str) {
    let status = client.status();
    let error = status.error().unwrap_or_else(|| panic!("it is {status:?}"));
    assert!(error.detail().contains(advice), "{advice}: {error}");
}

/// Lets a node stand still: it neither answers nor closes its connections.
fn halt(node: &Node) {
    signal(node, "-STOP");
    let begun = Instant::now();
    while !stands_still(node.id()) {
        assert!(begun.elapsed() < PATIENCE, "the node does not stop");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether every thread of a process has stopped: the signal is on its way for a while.
fn stands_still(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
    })
}

fn signal(node: &Node, signal: &str) {
    let told = Command::new("kill").args([signal, &node.id().to_string()]).status().unwrap();
    assert!(told.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_takes_effect_once_and_no_change_is_missed_while_the_node_is_killed_under_load() {
    const TASKS: u64 = 8;
    const CALLS: u64 = 40;
    let mut node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    let counter = client.object::<Counter>("load");
    let mut changes = counter.changes(After::Start).await.unwrap();

    let (told, mut progress) = watch::channel(0_u64);
    let told = Arc::new(told);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (counter, told) = (counter.clone(), told.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..CALLS {
                    answers.push(counter.increment(1).await.unwrap());
                    told.send_modify(|done| *done += 1);
                }
                answers
            })
        })
        .collect();
    for after in [60, 140, 220] {
        soon("calls", progress.wait_for(|done| *done >= after)).await.unwrap();
        block_in_place(|| {
            node.kill();
            node.restart();
        });
    }
    let mut answers = BTreeSet::new();
    for task in tasks {
        answers.extend(soon("the calls of a task", task).await.unwrap());
    }
    // Each answer is another count, and none was counted twice.
    let all = i64::try_from(TASKS * CALLS).unwrap();
    assert_eq!(answers, (1..=all).collect());
    assert_eq!(counter.get().await.unwrap(), all);

    for seq in 1..=TASKS * CALLS {
        let update = soon("a change", changes.next()).await.unwrap().unwrap();
        let change = update.change().unwrap_or_else(|| panic!("{update:?} where the change {seq} was to come"));
        assert_eq!((change.seq, &change.patch["count"]), (Seq::new(seq), &json!(seq)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_to_the_address_that_lives() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let node = Node::start();
    let client = eager().address(format!("http://{dead}")).address(&node.url).connect().await.unwrap();
    assert!(client.status().is_online());
    assert_eq!(client.object::<Counter>("visits").increment(5).await.unwrap(), 5);

    let other = Node::start();
    let client = eager().address(&node.url).address(&other.url).connect().await.unwrap();
    drop(node);
    assert_eq!(client.object::<Counter>("visits").increment(2).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_is_passed_over() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::start();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let client = eager().address(silent).address(&node.url).connect().await.unwrap();
    assert!(client.status().is_online(), "{client:?}");
    assert_eq!(client.object::<Counter>("visits").increment(5).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_node_stands_still_counts_as_lost_until_it_goes_on() {
    let node = Node::start();
    let client = eager().heartbeat(Duration::from_millis(200)).address(&node.url).connect().await.unwrap();
    let counter = client.object::<Counter>("visits");
    let mut changes = counter.changes(After::Start).await.unwrap();
    let mut status = client.statuses();
    halt(&node);
    soon("the loss", status.wait_for(|now| !now.is_online())).await.unwrap();
    let call = tokio::spawn(counter.increment(5).timeout("20s").into_future());
    signal(&node, "-CONT");
    assert_eq!(soon("the answer", call).await.unwrap().unwrap(), 5);
    let update = soon("the change", changes.next()).await.unwrap().unwrap();
    assert_eq!((update.seq(), update.change().is_some()), (Seq::new(1), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_after_what_never_was_is_reset() {
    let node = Node::start();
    let client = Client::connect(&node.url).await.unwrap();
    let counter = client.object::<Counter>("visits");
    counter.increment(5).await.unwrap();
    let mut changes = counter.changes(After::Seq(Seq::new(7))).await.unwrap();
    let update = soon("the reset", changes.next()).await.unwrap().unwrap();
    assert!(matches!(&update, Update::Reset { seq, state: Some(_), .. } if *seq == Seq::new(1)), "{update:?}");
    counter.increment(1).await.unwrap();
    assert_eq!(soon("the change", changes.next()).await.unwrap().unwrap().seq(), Seq::new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_costs_no_more_than_the_deadline_and_the_call_can_be_repeated() {
    let node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    let counter = client.object::<Counter>("visits");
    counter.increment(1).await.unwrap();
    halt(&node);
    let error = counter.increment(1).key("order-77").timeout("300ms").await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied(), error.retryable()), (Code::Deadline, true, true));
    let read = client.call::<i64>("Counter", "visits", "get", ()).timeout(Duration::from_millis(300)).await;
    assert_eq!(read.unwrap_err().code(), Code::Deadline);
    signal(&node, "-CONT");
    assert_eq!(counter.increment(1).key("order-77").await.unwrap(), 2);
    assert_eq!(counter.get().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_never_sent_says_that_nothing_was_changed() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = eager().address(format!("http://{nobody}")).connect().await.unwrap();
    assert!(!client.status().is_online());
    let error = client.object::<Counter>("visits").increment(1).timeout("200ms").await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, false));
    assert!(error.detail().contains("cannot be reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_sent_once_at_most_fails_when_the_connection_breaks() {
    let mut node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    halt(&node);
    let mut call = client.call::<i64>("Counter", "visits", "increment", ()).at_most_once().into_future();
    // It was sent before one that follows it over the same connection.
    let after = client.call::<i64>("Counter", "other", "get", ()).timeout(Duration::from_millis(300));
    tokio::select! {
        biased;
        answer = &mut call => panic!("a node that stands still answers {answer:?}"),
        after = after.into_future() => assert_eq!(after.unwrap_err().code(), Code::Deadline),
    }
    block_in_place(|| node.kill());
    let error = soon("the end of the call", call).await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Unavailable, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_handlers_reach_the_caller_with_their_data() {
    let node = Node::start();
    let client = Client::connect(&node.url).await.unwrap();
    let wallet = client.object::<Wallet>("alice");
    wallet.deposit(100).await.unwrap();
    let error = wallet.withdraw(500).await.unwrap_err();
    assert_eq!((error.code(), error.retryable(), error.is_maybe_applied()), (Code::Rejected, false, false));
    assert_eq!(error.data().unwrap()["missing"], 400);
    let error = client.call::<i64>("Nothing", "x", "get", ()).await.unwrap_err();
    assert_eq!(error.code(), Code::UnknownKind);
    let error = client.call::<String>("Counter", "visits", "increment", json!({"amount": 1})).await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::BadRequest, true), "{error}");
    assert_eq!(client.call::<i64>("Counter", "visits", "get", ()).await.unwrap(), 1, "it took effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_reads_lists_follows_and_deletes_as_on_a_node() {
    let mut node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    let counter = client.object::<Counter>("visits");
    assert!(counter.peek().await.unwrap().is_none());
    assert_eq!(counter.load().await.unwrap_err().code(), Code::NotFound);
    let mut live = counter.live().await.unwrap();
    assert!(live.get().is_none());
    for (id, amount) in [("a", 3), ("b", 9), ("visits", 5)] {
        client.object::<Counter>(id).increment(amount).await.unwrap();
    }
    let loaded = counter.load().await.unwrap();
    assert_eq!((loaded.state.get(), loaded.seq), (5, Seq::new(1)));
    assert!(loaded.created_at > Timestamp::EPOCH && loaded.updated_at >= loaded.created_at);
    assert_eq!(soon("the state", live.until(|state| state.get() == 5)).await.unwrap().seq, Seq::new(1));

    let page = client.find::<Counter>().filter("count > 3").order("-count").limit(1).await.unwrap();
    assert_eq!((page.objects[0].id.as_str(), page.objects[0].snapshot.state.get()), ("b", 9));
    let rest = client.find::<Counter>().filter("count > 3").order("-count").after(page.next.unwrap()).await.unwrap();
    assert_eq!(rest.objects.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["visits"]);
    assert_eq!(client.find::<Counter>().filter("count >").await.unwrap_err().code(), Code::BadRequest);

    // What is followed is followed on, whatever happens to the node.
    block_in_place(|| {
        node.kill();
        node.restart();
    });
    counter.increment(1).await.unwrap();
    soon("the change", live.until(|state| state.get() == 6)).await.unwrap();
    counter.delete().await.unwrap();
    counter.delete().await.unwrap();
    soon("the end", async {
        while live.get().is_some() {
            live.changed().await.unwrap();
        }
    })
    .await;
    assert!(counter.peek().await.unwrap().is_none());
    assert_eq!(client.get("Counter", "b").await.unwrap().unwrap().state.value()["count"], 9);
    assert!(client.delete("Counter", "b").await.unwrap());
    client.close().await;
    let end = soon("the client's end", async {
        loop {
            if let Err(error) = live.changed().await {
                break error;
            }
        }
    });
    assert_eq!(end.await.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("abide.toml"), "[auth]\nkeys = \"keys.toml\"\n").unwrap();
    let made = finish(abide(folder.path()).args(["keys", "new", "--subject", "alice", "--role", "user"]));
    let node = Node::start_in(folder, "127.0.0.1:0");
    let alice = eager().address(&node.url).token(made.text()).connect().await.unwrap();
    assert_eq!(alice.object::<Counter>("visits").increment(1).await.unwrap(), 1);
    let error = eager().address(&node.url).token("not-a-key").connect().await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (Code::Unauthenticated, false));
    // A source may have another token the next time: it is asked again.
    let (asked, mut count) = watch::channel(0_u64);
    let source = move || {
        asked.send_modify(|n| *n += 1);
        "not-a-key-either".to_owned()
    };
    let client = eager().address(&node.url).token_from(source).connect().await.unwrap();
    soon("a third attempt", count.wait_for(|n| *n >= 3)).await.unwrap();
    assert_eq!(client.status().error().unwrap().code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_call_and_watch_can_neither_list_nor_delete() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "[[access]]\nallow = [\"call\", \"create\", \"watch\"]\nkind = \"Counter\"\nroles = [\"user\"]\n";
    fs::write(folder.path().join("abide.toml"), format!("[auth]\nkeys = \"keys.toml\"\n{rule}")).unwrap();
    let made = finish(abide(folder.path()).args(["keys", "new", "--subject", "alice", "--role", "user"]));
    let node = Node::start_in(folder, "127.0.0.1:0");
    let client = eager().address(&node.url).token(made.text()).connect().await.unwrap();
    let counter = client.object::<Counter>("visits");
    counter.increment(5).await.unwrap();
    assert_eq!(counter.load().await.unwrap().state.get(), 5);
    assert_eq!(counter.delete().await.unwrap_err().code(), Code::Denied);
    assert_eq!(client.find::<Counter>().await.unwrap_err().code(), Code::Denied);
    let error = client.object::<Wallet>("alice").peek().await.unwrap_err();
    assert_eq!((error.code(), error.retryable(), error.is_maybe_applied()), (Code::Denied, false, false));
    assert_eq!(counter.get().await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_list_but_not_watch_sees_which_objects_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "[[access]]\nallow = [\"call\", \"create\", \"list\"]\nkind = \"Counter\"\nroles = [\"user\"]\n";
    fs::write(folder.path().join("abide.toml"), format!("[auth]\nkeys = \"keys.toml\"\n{rule}")).unwrap();
    let made = finish(abide(folder.path()).args(["keys", "new", "--subject", "alice", "--role", "user"]));
    let node = Node::start_in(folder, "127.0.0.1:0");
    let client = eager().address(&node.url).token(made.text()).connect().await.unwrap();
    client.object::<Counter>("visits").increment(5).await.unwrap();
    let page = client.list(Search::new(Kind::new("Counter").unwrap())).await.unwrap();
    let [listed] = page.objects.as_slice() else { panic!("{page:?} is not one object") };
    assert_eq!((listed.id.as_str(), listed.seq, &listed.state), ("visits", Seq::new(1), &Json::null()));
    let error = client.find::<Counter>().await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (Code::Denied, false));
    assert!(error.detail().contains("may list Counter but not watch"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_token_becomes_another_callers_goes_on_as_a_new_client() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("abide.toml"), "[auth]\nkeys = \"keys.toml\"\n").unwrap();
    let key = |subject: &str| {
        let made = finish(abide(folder.path()).args(["keys", "new", "--subject", subject, "--role", "user"]));
        made.text().to_owned()
    };
    let (alice, bob) = (key("alice"), key("bob"));
    let listed = finish(abide(folder.path()).args(["keys", "list", "--json"])).value();
    let keys = listed["keys"].as_array().unwrap();
    let alices = keys.iter().find(|key| key["subject"] == "alice").unwrap()["id"].as_str().unwrap();
    let node = Node::start_in(folder, "127.0.0.1:0");
    let (token, tokens) = watch::channel(alice);
    let client = eager().address(&node.url).token_from(move || tokens.borrow().clone()).connect().await.unwrap();
    let first = client.id().unwrap();
    assert_eq!(client.object::<Counter>("visits").increment(1).await.unwrap(), 1);
    let mut status = client.statuses();
    token.send(bob).unwrap();
    assert_eq!(node.run(&["keys", "revoke", alices]).code, 0);
    soon("bob", async {
        while client.id().as_ref() == Some(&first) {
            status.changed().await.expect("the client goes on");
        }
    })
    .await;
    assert_eq!(client.object::<Counter>("visits").increment(1).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_encrypted_and_a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.path().join("server.pem"), cert.pem()).unwrap();
    fs::write(folder.path().join("server-key.pem"), signing_key.serialize_pem()).unwrap();
    let tls = "[tls]\ncert = \"server.pem\"\nkey = \"server-key.pem\"\n";
    fs::write(folder.path().join("abide.toml"), tls).unwrap();
    let node = Node::start_in(folder, "127.0.0.1:0");
    assert!(node.url.starts_with("https://"), "{}", node.url);
    let trusting = eager().address(&node.url).ca(cert.pem()).connect().await.unwrap();
    assert_eq!(trusting.object::<Counter>("visits").increment(5).await.unwrap(), 5);
    let wary = eager().address(&node.url).connect().await.unwrap();
    told(&wary, "`ca`");
    told(&eager().address(node.url.replace("https://", "http://")).connect().await.unwrap(), "https://");
    let plain = Node::start();
    let encrypted = eager().address(plain.url.replace("http://", "https://")).connect().await.unwrap();
    told(&encrypted, "begins with http://");
    let error = eager().address(&node.url).ca("no certificate").connect().await.unwrap_err();
    assert_eq!(error.code(), Code::BadRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_says_by_its_certificate_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    file("server.pem", &own.cert.pem());
    file("server-key.pem", &own.signing_key.serialize_pem());
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    file("clients.pem", &params.self_signed(&key).unwrap().pem());
    let authority = rcgen::Issuer::new(params, key);
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "billing");
    let key = rcgen::KeyPair::generate().unwrap();
    let (pem, key) = (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem());
    file("abide.toml", "[tls]\ncert = \"server.pem\"\nkey = \"server-key.pem\"\nclient_ca = \"clients.pem\"\n");
    let node = Node::start_in(folder, "127.0.0.1:0");

    let client = || eager().address(&node.url).ca(own.cert.pem());
    let billing = client().certificate(pem.clone(), key).connect().await.unwrap();
    assert_eq!(billing.object::<Counter>("visits").increment(5).await.unwrap(), 5);
    let nobody = client().connect().await.unwrap();
    told(&nobody, "give one with `certificate`");
    for (pem, key) in
        [(pem.clone(), "no key".to_owned()), ("no certificate".to_owned(), own.signing_key.serialize_pem())]
    {
        let error = client().certificate(pem, key).connect().await.unwrap_err();
        assert_eq!(error.code(), Code::BadRequest, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_pushed_to_and_clients_see_each_other() {
    let node = Node::start();
    let ada = eager().address(&node.url).session("ChatSession").connect().await.unwrap();
    let bob = eager().address(&node.url).connect().await.unwrap();
    let mut pushes = ada.pushes();
    let me = ada.id().unwrap();
    let session = ada.object::<ChatSession>(&me);
    session.enter("ada".into()).await.unwrap();
    session.whisper(me.clone(), "hush".into()).await.unwrap();
    let push = soon("the push", pushes.next()).await.unwrap();
    assert!(matches!(&push, Push::Data(data) if data.value()["whisper"]["text"] == "hush"), "{push:?}");

    let mine = ada.watch("ChatRoom", "hall").presence().await.unwrap();
    let mut theirs = bob.watch("ChatRoom", "hall").presence().await.unwrap();
    mine.present(json!({"name": "ada"})).await.unwrap();
    soon("ada's presence", async {
        loop {
            if let Some(Ok(News::Presence { members, .. })) = theirs.next().await
                && let Some(Some(shown)) = members.get(&me)
            {
                break assert_eq!(shown.value()["name"], "ada");
            }
        }
    })
    .await;
    let too_large = ada.send("ChatRoom", "hall", "x".repeat(65_535)).await.unwrap_err();
    assert_eq!(too_large.code(), Code::TooLarge, "{too_large}");
    ada.send("ChatRoom", "hall", json!({"wave": true})).await.unwrap();
    soon("the wave", async {
        loop {
            if let Some(Ok(News::Broadcast { from, data })) = theirs.next().await {
                break assert_eq!((from.as_deref(), &data.value()["wave"]), (Some(me.as_str()), &json!(true)));
            }
        }
    })
    .await;
    drop(mine);
    soon("ada's leave", async {
        loop {
            if let Some(Ok(News::Presence { members, .. })) = theirs.next().await
                && members.get(&me) == Some(&None)
            {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_shown_to_others_watches_on() {
    let node = Node::start();
    let ada = eager().address(&node.url).connect().await.unwrap();
    let mut room = ada.watch("Counter", "lobby").presence().await.unwrap();
    let error = room.present("x".repeat(5000)).await.unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let mut news = async || soon("news of the room", room.next()).await.expect("the watch goes on").unwrap();
    assert!(matches!(news().await, News::Snapshot { state: None, .. }));
    assert!(matches!(news().await, News::Presence { whole: true, members } if members.is_empty()));
    room.present(deep).await.unwrap();
    room.present(json!({"name": "ada"})).await.unwrap();
    let me = ada.id().unwrap();
    let mut news = async || soon("news of the room", room.next()).await.expect("the watch goes on").unwrap();
    let News::Presence { members, .. } = news().await else { panic!("ada is not there") };
    assert_eq!(members[&me].as_ref().unwrap().value(), json!({"name": "ada"}));
    ada.object::<Counter>("lobby").increment(5).await.unwrap();
    assert!(matches!(news().await, News::Change(change) if change.seq == Seq::new(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_in_order_is_left_and_found_again() {
    let mut node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    let room = client.object::<ChatRoom>("hall");
    room.join("ada".into()).await.unwrap();
    let mut changes = room.changes(After::Now).await.unwrap();
    block_in_place(|| {
        assert_eq!(node.stop(), Some(0));
        node.restart();
    });
    assert_eq!(room.say("ada".into(), "still here".into()).await.unwrap(), 1);
    let update = soon("the line", changes.next()).await.unwrap().unwrap();
    assert_eq!(update.change().unwrap().cause.handler, "say");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_looks_away_misses_no_change() {
    let node = Node::start();
    let client = eager().address(&node.url).connect().await.unwrap();
    let counter = client.object::<Counter>("busy");
    let mut changes = counter.changes(After::Start).await.unwrap();
    // More than a watch keeps for a slow reader, and less than the kind's history.
    const COUNT: u64 = 900;
    for _ in 0..COUNT {
        counter.increment(1).await.unwrap();
    }
    for seq in 1..=COUNT {
        let update = soon("a change", changes.next()).await.unwrap().unwrap();
        assert_eq!((update.seq(), update.change().is_some()), (Seq::new(seq), true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_closed_fails_its_calls_and_ends_its_watches() {
    let node = Node::start();
    let client = Client::connect(&node.url).await.unwrap();
    let mut watch = client.watch("Counter", "visits").await.unwrap();
    assert!(matches!(soon("the state", watch.next()).await, Some(Ok(News::Snapshot { state: None, .. }))));
    let mut pushes = client.pushes();
    client.close().await;
    assert_eq!(soon("the end", watch.next()).await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(soon("the end", watch.next()).await, None);
    assert_eq!(soon("the end", pushes.next()).await, None);
    let error = client.call::<i64>("Counter", "visits", "get", ()).await.unwrap_err();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Unavailable, false));
}
