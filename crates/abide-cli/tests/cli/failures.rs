//! What is said when it does not work, and with which exit code.

use serde_json::{Value, json};

use crate::node::{Node, abide, finish};

fn error(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    value["error"].clone()
}

#[test]
fn without_a_node_it_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    for command in
        [&["get", "Counter", "x"][..], &["call", "Counter", "x", "get"], &["watch", "Counter", "x"], &["kinds"]]
    {
        let done = finish(abide(folder.path()).args(["--url", "http://127.0.0.1:1"]).args(command));
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.out.is_empty(), "{done:?}");
        assert!(done.err.contains("is a node running? start one with `abide serve`"), "{done:?}");
    }
}

#[test]
fn a_refusal_of_the_handler_is_exit_code_1_with_its_data() {
    let node = Node::start();
    node.json(&["call", "Wallet", "alice", "deposit", "20"]);
    let withdraw = ["call", "Wallet", "alice", "withdraw", "50"];
    let done = node.run(&withdraw);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(done.err.contains("30 are missing"), "{done:?}");
    let error = error(&node.run(&[&withdraw[..], &["--json"]].concat()).err);
    assert_eq!((&error["code"], &error["data"]), (&json!("rejected"), &json!({"balance": 20, "missing": 30})));
    assert_eq!(error["retryable"], false);
}

#[test]
fn a_name_that_is_not_known_is_answered_with_the_nearest_and_where_to_look() {
    let node = Node::start();
    for (command, nearest, look) in [
        (&["call", "Countr", "x", "get"][..], "Counter", "`abide kinds`"),
        (&["call", "Counter", "x", "incremnt"], "increment", "`abide kinds KIND`"),
        (&["get", "Counter", "nowhere"], "nowhere", "`abide ls KIND`"),
    ] {
        let done = node.run(command);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(nearest) && done.err.contains(look), "{done:?}");
    }
}

#[test]
fn a_command_that_is_not_written_right_is_exit_code_2() {
    let node = Node::start();
    for command in [
        &["no-such-command"][..],
        &["call", "Counter"],
        &["call", "Counter", "x", "increment", "amount=1", "2"],
        &["call", "Counter", "x", "increment", "{broken"],
        &["call", "Counter", "x", "increment", "--timeout", "soon"],
        &["get", "Counter", "x", "--at", "first"],
        &["alarms", "Counter"],
        &["--url", "ftp://x", "kinds"],
        &["store", "status", "memory:"],
        &["new"],
        &["new", "../x"],
    ] {
        let done = node.run(command);
        assert_eq!(done.code, 2, "{command:?}: {done:?}");
        assert!(!done.err.is_empty() && done.out.is_empty(), "{command:?}: {done:?}");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_shown_what_is_wrong() {
    let node = Node::start();
    let done = node.run(&["ls", "Counter", "--where", "count >"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.starts_with("error: "), "{done:?}");
}

#[test]
fn an_address_that_is_taken_is_told_apart_from_one_that_is_wrong() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let address = node.url.trim_start_matches("http://");
    let taken = finish(abide(folder.path()).args(["serve", "--listen", address]));
    assert_eq!(taken.code, 1, "{taken:?}");
    assert!(taken.err.contains("--listen"), "{taken:?}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "no store is made for a node that cannot listen");
    let wrong = finish(abide(folder.path()).args(["serve", "--listen", "nonsense"]));
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[test]
fn a_store_that_is_in_use_is_not_opened_twice() {
    let node = Node::start();
    let done = finish(abide(node.folder.path()).args(["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("open in another process"), "{done:?}");
}
