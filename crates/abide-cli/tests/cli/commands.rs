//! Each command, for people and for programs.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};

use crate::node::{Node, abide, finish};

#[test]
fn without_arguments_it_explains_itself() {
    let done = finish(&mut abide(std::env::temp_dir().as_path()));
    for word in ["serve", "call", "watch", "State a program can call by name", "Exit codes"] {
        assert!(done.text().contains(word), "{word} is missing: {done:?}");
    }
}

#[test]
fn arguments_are_given_by_name_in_order_as_json_or_from_standard_input() {
    let node = Node::start();
    let call = |arguments: &[&str]| node.run(&[&["call", "Counter", "c", "increment"], arguments].concat());
    assert_eq!(call(&["amount=5"]).text(), "5");
    assert_eq!(call(&["5"]).text(), "10");
    assert_eq!(call(&["-3"]).text(), "7");
    assert_eq!(call(&[r#"{"amount": 3}"#]).text(), "10");
    assert_eq!(call(&["[10]"]).text(), "20");
    assert_eq!(call(&[]).text(), "21");
    let mut piped = abide(node.folder.path());
    piped.args(["--url", &node.url, "call", "Counter", "c", "increment", "-"]).stdin(Stdio::piped());
    let mut process = piped.stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"{\"amount\": 9}").unwrap();
    assert_eq!(process.wait_with_output().unwrap().stdout, b"30\n");
    assert_eq!(node.run(&["call", "Counter", "c", "reset"]).text(), "ok");
}

#[test]
fn ids_may_have_any_characters() {
    let node = Node::start();
    for id in ["a/b", "a b?c#d", "ümlaut 🦀", "..", "%2F", "-x"] {
        assert_eq!(node.run(&["call", "Counter", "--", id, "increment"]).text(), "1", "{id}");
        assert_eq!(node.run(&["--json", "get", "Counter", "--", id]).value()["id"], id);
    }
    assert_eq!(node.json(&["ls", "Counter"])["objects"].as_array().unwrap().len(), 6);
}

#[test]
fn a_list_is_filtered_limited_and_complete_over_many_pages() {
    let node = Node::start();
    for n in 0..12 {
        node.json(&["call", "Counter", &format!("c{n:02}"), "increment", &n.to_string()]);
    }
    let ids = |arguments: &[&str]| {
        let list = node.json(&[&["ls", "Counter"], arguments].concat());
        let ids: Vec<_> =
            list["objects"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect();
        (ids, list["more"].as_bool().unwrap())
    };
    assert_eq!(ids(&["--where", "count > 9"]), (vec!["c10".to_owned(), "c11".into()], false));
    assert_eq!(ids(&["--prefix", "c1"]), (vec!["c10".to_owned(), "c11".into()], false));
    assert_eq!(ids(&["--limit", "1"]), (vec!["c00".to_owned()], true));
    assert_eq!(ids(&["--order", "-count", "--limit", "2"]), (vec!["c11".to_owned(), "c10".into()], true));
    assert_eq!(ids(&["--order", "count", "--where", "count >= 10"]), (vec!["c10".to_owned(), "c11".into()], false));
    assert_eq!(node.run(&["ls", "Counter", "--order", "count desc"]).code, 1);
    assert_eq!(ids(&[]).0.len(), 12);
    let table = node.run(&["ls", "Counter", "--limit", "1"]);
    assert!(table.text().starts_with("ID   SEQ  CHANGED"), "{table:?}");
    assert!(table.err.contains("there are more"), "{table:?}");
}

#[test]
fn an_earlier_state_is_shown_and_the_log_says_how_it_changed() {
    let node = Node::start();
    for amount in ["1", "2", "3"] {
        node.json(&["call", "Counter", "c", "increment", amount]);
    }
    assert_eq!(node.json(&["get", "Counter", "c", "--at", "2"])["state"]["count"], 3);
    let log = node.json(&["log", "Counter", "c"]);
    let counts: Vec<_> = log["changes"].as_array().unwrap().iter().map(|change| &change["patch"]["count"]).collect();
    assert_eq!(counts, [1, 3, 6]);
    assert_eq!((&log["next"], &log["more"]), (&json!(3), &json!(false)));
    let lines = node.run(&["log", "Counter", "c", "--after", "2"]);
    assert_eq!(lines.text().lines().count(), 1);
    assert!(lines.text().contains("    3  increment  count = 6"), "{lines:?}");
    assert_eq!(node.run(&["log", "Counter", "c", "--after", "9"]).code, 1);
    let later = node.run(&["get", "Counter", "c", "--at", "9"]);
    assert!(later.code == 1 && later.err.contains("`abide log KIND ID`"), "{later:?}");
    let none = node.run(&["log", "Counter", "nobody"]);
    assert!(none.code == 0 && none.err.contains("Counter/nobody"), "{none:?}");
    let unmatched = node.run(&["ls", "Counter", "--where", "count > 99"]);
    assert!(unmatched.code == 0 && unmatched.err.contains("no Counter objects that match"), "{unmatched:?}");
}

#[test]
fn a_deleted_object_is_gone_and_deleting_it_again_is_fine() {
    let node = Node::start();
    node.json(&["call", "Counter", "c", "increment"]);
    assert_eq!(node.json(&["rm", "Counter", "c"]), json!({"deleted": true}));
    assert_eq!(node.run(&["get", "Counter", "c"]).code, 1);
    assert_eq!(node.json(&["rm", "Counter", "c"]), json!({"deleted": false}));
}

#[test]
fn alarms_are_listed_for_one_object_and_for_all() {
    let node = Node::start();
    assert!(node.run(&["alarms"]).err.contains("no alarms are set"));
    node.json(&["call", "RateLimiter", "me", "configure", "limit=3", "window=1h"]);
    node.json(&["call", "RateLimiter", "me", "take"]);
    node.json(&["call", "RateLimiter", "you", "take"]);
    let all = node.json(&["alarms"]);
    let ids: Vec<_> = all["alarms"].as_array().unwrap().iter().map(|alarm| alarm["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["you", "me"]);
    let one = node.json(&["alarms", "RateLimiter", "me"]);
    assert_eq!(one["alarms"][0]["name"], "next_window");
    let table = node.run(&["alarms", "RateLimiter", "me"]);
    assert!(table.text().contains("RateLimiter/me  next_window"), "{table:?}");
    assert!(table.text().contains("(in 59m"), "{table:?}");
}

#[test]
fn kinds_are_shown_with_their_handlers_and_arguments() {
    let node = Node::start();
    let names: Vec<_> =
        node.json(&["kinds"])["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].clone()).collect();
    let demos = ["Arena", "ChatLobby", "ChatRoom", "ChatSession", "Counter", "Document", "RateLimiter", "Stream"];
    assert_eq!(names, [&demos[..], &["TicTacToe", "Wallet"]].concat());
    assert!(node.run(&["kinds"]).text().contains("deposit withdraw transfer balance"));
    let wallet = node.run(&["kinds", "Wallet"]);
    assert!(wallet.text().contains("to: string amount: integer"), "{wallet:?}");
    assert!(node.run(&["kinds", "Counter"]).text().contains("[amount: integer]"));
    assert_eq!(node.json(&["kinds", "Wallet"])["kind"], "Wallet");
}

#[test]
fn a_stream_of_events_is_appended_read_and_watched() {
    let node = Node::start();
    let events = r#"events=[{"type": "OrderPlaced", "data": {"total": 42}}, {"type": "OrderPaid"}]"#;
    let mut watch = node.spawn(&["watch", "Stream", "orders", "--after", "0", "--limit", "1"]);
    assert_eq!(node.run(&["call", "Stream", "orders", "append", events]).text(), "2");
    assert!(watch.line().contains(r#"+OrderPlaced {"total":42}  +OrderPaid null"#));
    let page = node.json(&["call", "Stream", "orders", "read"]);
    assert_eq!(page["result"]["events"][1]["type"], "OrderPaid");
    assert_eq!(page["result"]["next"], 1);
}

#[test]
fn completions_are_a_script_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = finish(abide(std::env::temp_dir().as_path()).args(["completions", shell]));
        assert!(done.text().contains("completions"), "{shell}");
    }
}

#[test]
fn a_benchmark_measures_every_scenario_and_leaves_nothing_behind() {
    let node = Node::start();
    let short = ["bench", "--time", "200ms", "--workers", "4", "--objects", "50", "--watchers", "5"];
    let done = node.json(&short);
    let scenarios = done["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 5);
    for scenario in scenarios {
        assert!(scenario["done"].as_u64().unwrap() > 0, "{scenario}");
        assert_eq!(scenario["failed"], 0, "{scenario}");
        assert!(scenario["p50_us"].as_u64() <= scenario["p999_us"].as_u64(), "{scenario}");
    }
    assert_eq!(node.json(&["ls", "Counter"])["objects"], json!([]));
    let alone = finish(abide(node.folder.path()).args(["--url", "http://127.0.0.1:1", "--json"]).args(short));
    assert_eq!(alone.value()["scenarios"].as_array().map(Vec::len), Some(5));
}

#[test]
fn output_that_is_no_terminal_has_no_colours() {
    let node = Node::start();
    node.json(&["call", "Counter", "c", "increment"]);
    for command in [&["log", "Counter", "c"][..], &["ls", "Counter"], &["kinds"], &["get", "Counter", "nothing"]] {
        let done = node.run(command);
        assert!(!done.out.contains('\u{1b}') && !done.err.contains('\u{1b}'), "{done:?}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let node = Node::start();
    for _ in 0..3 {
        node.json(&["call", "Counter", "c", "increment"]);
    }
    let mut command = abide(node.folder.path());
    command.args(["--url", &node.url, "log", "Counter", "c"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_node_reads_its_settings_from_file_environment_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("abide.toml"),
        "listen = \"127.0.0.1:0\"\nstore = \"redis://me:secret@127.0.0.1:1\"\n",
    )
    .unwrap();
    let refused = finish(abide(folder.path()).arg("serve"));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("127.0.0.1:1") && !refused.err.contains("secret"), "{refused:?}");
    std::fs::write(folder.path().join("abide.toml"), "[limits]\nbdy = \"1MiB\"\n").unwrap();
    let refused = finish(abide(folder.path()).arg("serve"));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("abide.toml, line 2") && refused.err.contains("limits.body"), "{refused:?}");
    std::fs::remove_file(folder.path().join("abide.toml")).unwrap();
    let refused = finish(abide(folder.path()).arg("serve").env("ABIDE_LISTEN", "0.0.0.0:0"));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("127.0.0.1"), "{refused:?}");
}

#[test]
fn what_is_printed_with_json_is_one_value_on_one_line() {
    let node = Node::start();
    node.json(&["call", "Document", "d", "set", r#"fields={"text": "two\nlines"}"#]);
    for command in
        [&["get", "Document", "d"][..], &["ls", "Document"], &["log", "Document", "d"], &["alarms"], &["kinds"]]
    {
        let done = node.run(&[command, &["--json"]].concat());
        assert_eq!(done.text().lines().count(), 1, "{done:?}");
        assert!(done.value().is_object());
        assert_eq!(done.err, "");
    }
    let value: Value = node.json(&["get", "Document", "d"]);
    assert_eq!(value["state"], json!({"text": "two\nlines"}));
}

#[test]
fn fields_are_shown_in_the_order_that_the_object_gives_them() {
    let node = Node::start();
    node.json(&["call", "RateLimiter", "me", "take"]);
    let fields = ["limit", "window", "taken", "resets_at"];
    for command in [
        &["get", "RateLimiter", "me"][..],
        &["get", "RateLimiter", "me", "--json"],
        &["ls", "RateLimiter"],
        &["log", "RateLimiter", "me"],
    ] {
        let done = node.run(command);
        let places = fields.map(|field| done.text().find(field).unwrap_or_else(|| panic!("{field}: {done:?}")));
        assert!(places.is_sorted(), "{done:?}");
    }
}
