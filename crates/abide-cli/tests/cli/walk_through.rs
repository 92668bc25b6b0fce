//! What the README shows, step by step.

use serde_json::json;

use crate::node::Node;

#[test]
fn a_count_is_answered_watched_and_still_there_after_a_kill() {
    let mut node = Node::start();
    let answer = node.json(&["call", "Counter", "visits", "increment", "amount=5"]);
    assert_eq!(answer, json!({"result": 5, "seq": 1}));
    assert_eq!(node.json(&["get", "Counter", "visits"])["state"]["count"], 5);

    let mut watch = node.spawn(&["watch", "Counter", "visits", "--after", "0", "--limit", "2"]);
    assert!(watch.line().contains("increment  count = 5"));
    node.json(&["call", "Counter", "visits", "increment", "amount=2"]);
    assert!(watch.line().contains("count = 7"));
    assert_eq!(watch.wait(), Some(0));

    node.kill();
    node.restart();
    let after = node.json(&["get", "Counter", "visits"]);
    assert_eq!((&after["state"]["count"], &after["seq"]), (&json!(7), &json!(2)));
}

#[test]
fn a_watcher_sees_every_change_once_across_a_crash_of_the_node() {
    let mut node = Node::start();
    node.json(&["call", "Counter", "visits", "increment"]);
    let mut watch = node.spawn(&["watch", "Counter", "visits", "--json", "--after", "0", "--limit", "3"]);
    let mut seen = vec![watch.line()];
    node.kill();
    node.restart();
    node.json(&["call", "Counter", "visits", "increment"]);
    seen.push(watch.line());
    node.json(&["call", "Counter", "visits", "increment"]);
    seen.push(watch.line());
    let change = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let counts: Vec<_> = seen.iter().map(|line| change(line)["patch"]["count"].clone()).collect();
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(watch.wait(), Some(0));
}

#[test]
fn a_transfer_with_a_key_is_made_once_even_if_the_node_crashes_before_the_retry() {
    let mut node = Node::start();
    let transfer = ["call", "Wallet", "alice", "transfer", "to=bob", "amount=30", "--key", "order-77"];
    node.json(&["call", "Wallet", "alice", "deposit", "amount=100"]);
    assert_eq!(node.json(&transfer)["result"], 70);
    node.kill();
    node.restart();
    assert_eq!(node.json(&transfer)["result"], 70);
    crate::node::eventually("the credit", || {
        let balance = node.json(&["call", "Wallet", "bob", "balance"]);
        (balance["result"] == 30).then_some(())
    });
    assert_eq!(node.json(&["call", "Wallet", "alice", "balance"])["result"], 70);
}

#[test]
fn a_node_that_is_told_to_stop_ends_with_success_and_keeps_everything() {
    let mut node = Node::start();
    node.json(&["call", "Counter", "visits", "increment", "amount=5"]);
    assert_eq!(node.stop(), Some(0));
    node.restart();
    assert_eq!(node.json(&["get", "Counter", "visits"])["state"]["count"], 5);
}
