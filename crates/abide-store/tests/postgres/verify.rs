//! Each fault is named, and none keeps the others from being found.

use abide_core::{Store, port::store::Commit};
use abide_services::{Postgres, postgres::Options};
use abide_store::contract::fixture::{Owner, alarm, json, key, message, outcome};

use super::world::{open, options};

/// What is done to a good store, and what is said of it.
const FAULTS: &[(&str, &str)] = &[
    ("UPDATE log SET body = '{' WHERE oid = {a} AND seq = 5", "Counter/a: its change 5 is no JSON"),
    ("UPDATE log SET body = '{bad' WHERE oid = {a} AND seq = 209", "Counter/a: its change 209 is no JSON"),
    (
        "UPDATE log SET body = replace(body, '\"seq\":77,', '\"seq\":78,') WHERE oid = {a} AND seq = 77",
        "Counter/a: its change 77 says of itself that it is 78",
    ),
    ("UPDATE log SET snapshot = '{' WHERE oid = {a} AND seq = 210", "Counter/a: its snapshot of 210 is no JSON"),
    ("UPDATE alarms SET payload = 'x' WHERE name = 'x'", "Counter/b: its payload of the alarm \"x\" is no JSON"),
    ("UPDATE alarms SET schedule = '{}' WHERE name = 'y'", "Counter/b: its schedule of the alarm \"y\" is none"),
    ("UPDATE outbox SET args = '[' WHERE n = 1", "Counter/b: its arguments of the message 1 is no JSON"),
    ("UPDATE outbox SET principal = '[' WHERE n = 150", "Counter/b: its principal of the message 150 is no JSON"),
    ("UPDATE outcomes SET reply = '{' WHERE call_key = 'k'", "its outcome of the call \"k\" of \"me\" is no JSON"),
    ("UPDATE outcomes SET ok = false WHERE call_key = 'l'", "its outcome of the call \"l\" of \"me\" is no error"),
    ("UPDATE objects SET exact = '{\"a\":' WHERE id = 'c'", "Counter/c: its state is no JSON"),
    ("UPDATE objects SET kind = 'Foo Bar' WHERE id = 'd'", "key is no key: \"default\" \"Foo Bar\" \"d\""),
    ("DELETE FROM log WHERE oid = (SELECT oid FROM objects WHERE id = 'd')", "\"Foo Bar\" \"d\": its log is not dense"),
    ("UPDATE objects SET shard = (shard + 1) % 16 WHERE id = 'e'", "Counter/e: it is stored in shard"),
    ("UPDATE objects SET head = 2 WHERE id = 'f'", "Counter/f: the log leads to 1, its head is 2"),
    ("UPDATE objects SET state = NULL, exact = NULL WHERE id = 'g'", "Counter/g: it is deleted and has 1 alarms"),
    ("DELETE FROM objects WHERE id = 'h'", "a row of alarms belongs to no object"),
    ("DELETE FROM shards WHERE shard = 3", "epochs for 15"),
];

async fn good(store: std::sync::Arc<dyn Store>) -> Owner {
    let good = Owner::claim(store).await;
    let (a, b) = (key("a"), key("b"));
    good.grow(&a, 209).await;
    let mut snapped = good.put(&a, 209);
    snapped.changes[0].snapshot = Some(json("{}"));
    let outbox = (1..=150).map(|n| message(&b, n, &a)).collect();
    let outcomes = vec![outcome("me", "k", 1), outcome("me", "l", 1)];
    good.done(vec![snapped]).await;
    good.done(vec![Commit { outbox, outcomes, ..good.alarms(&b, 0, vec![alarm("x", 1), alarm("y", 1)]) }]).await;
    for id in ["c", "d", "e", "f", "g", "h"] {
        good.done(vec![good.alarms(&key(id), 0, vec![alarm("z", 1)])]).await;
    }
    good
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_names_each_fault_and_goes_on_to_the_next() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let good = good(open(&server.url(), options()).await).await;
    assert_eq!(good.store.verify(99).await.unwrap(), Vec::<String>::new());
    let a = server.sql("SELECT oid FROM abide.objects WHERE id = 'a'").unwrap();
    for (sql, _) in FAULTS {
        let sql = sql.replace("{a}", a.trim());
        let changed = server.sql(&format!("SET search_path TO abide; {sql} RETURNING 'changed'")).unwrap();
        assert!(changed.contains("changed"), "{sql} changed nothing");
    }
    let faults = good.store.verify(99).await.unwrap();
    for (sql, sentence) in FAULTS {
        assert!(faults.iter().any(|fault| fault.contains(sentence)), "{sql}: {faults:#?}");
    }
    assert_eq!(good.store.verify(3).await.unwrap().len(), 3);
}
