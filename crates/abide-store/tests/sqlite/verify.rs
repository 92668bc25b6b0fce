use abide_core::{
    Store,
    filter::Path,
    port::store::{Commit, KindIndexes},
};
use abide_store::contract::fixture::{alarm, key, message, outcome};
use rusqlite::Connection;

use super::{open, owner};

/// Makes a good store, spoils it with `sql`, and expects a fault that says `sentence`.
async fn check(sql: &str, sentence: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let good = owner(&path).await;
    good.grow(&key("a"), 70).await;
    let (outbox, outcomes) = (vec![message(&key("b"), 1, &key("a"))], vec![outcome("me", "k", 1)]);
    good.done(vec![Commit { outbox, outcomes, ..good.alarms(&key("b"), 0, vec![alarm("x", 1)]) }]).await;
    let paths = vec![Path::parse("count").unwrap()];
    good.store.index(vec![KindIndexes { kind: key("a").kind().clone(), paths }]).await.unwrap();
    assert_eq!(good.store.verify(9).await.unwrap(), Vec::<String>::new());
    drop(good);
    let conn = Connection::open(&path).unwrap();
    let changed = conn.execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changed nothing");
    drop(conn);
    let faults = open(&path).verify(9).await.unwrap();
    assert!(faults.iter().any(|fault| fault.contains(sentence)), "{sql}: {faults:?}");
}

#[tokio::test]
async fn verify_names_each_fault() {
    for (sql, sentence) in [
        ("DELETE FROM log WHERE oid = 1 AND seq = 30", "Counter/a: its log is not dense"),
        ("DELETE FROM log WHERE oid = 1 AND seq = 70", "Counter/a: its log is not dense"),
        ("UPDATE objects SET head = 71 WHERE id = 'a'", "Counter/a: the log leads to 70, its head is 71"),
        ("UPDATE objects SET floor = 71 WHERE id = 'a'", "Counter/a: its log is not dense"),
        ("UPDATE objects SET pos = 1 WHERE id = 'a'", "Counter/a: its seq 70 is not at 1"),
        ("UPDATE log SET prev = 3 WHERE oid = 1 AND seq = 30", "names 3 as the one before"),
        ("UPDATE marks SET pos = 2", "Counter/a: its seq 64 is not at 2"),
        ("UPDATE objects SET shard = (shard + 1) % 16 WHERE id = 'a'", "its hash belongs to"),
        ("UPDATE objects SET state = NULL WHERE id = 'b'", "Counter/b: it is deleted and has 1 alarms"),
        ("UPDATE objects SET state = '{\"a\":' WHERE id = 'a'", "Counter/a: its state is no JSON"),
        (
            "UPDATE objects SET state = CAST(x'7b2261223a22ff227d' AS TEXT) WHERE id = 'a'",
            "Counter/a: its state is no text",
        ),
        ("UPDATE alarms SET schedule = '{'", "Counter/b: its schedule of the alarm x is none"),
        ("UPDATE log SET body = 'x' WHERE seq = 5", "Counter/a: its change 5 is no JSON"),
        ("UPDATE objects SET kind = '/' WHERE id = 'a'", "key is no key: \"default\" \"/\" \"a\""),
        (
            "UPDATE log SET body = replace(body, '\"seq\":7,', '\"seq\":8,') WHERE seq = 7",
            "Counter/a: its change 7 says of itself that it is 8",
        ),
        ("UPDATE marks SET snapshot = '{'", "Counter/a: its snapshot of 64 is no JSON"),
        ("UPDATE alarms SET payload = '{'", "Counter/b: its payload of the alarm x is no JSON"),
        ("UPDATE outbox SET args = '['", "Counter/b: its arguments of the message 1 is no JSON"),
        ("UPDATE outcomes SET reply = '{'", "Counter/b: its outcome of the call \"k\" of \"me\" is no JSON"),
        ("UPDATE outcomes SET ok = 0", "Counter/b: its outcome of the call \"k\" of \"me\" is no error"),
        ("UPDATE alarms SET oid = 99", "1 rows of alarms belong to no object"),
        ("DELETE FROM shards WHERE shard = 3", "epochs for 15"),
        ("UPDATE indexes SET number = 7", "the index indexed_7 is noted, but is not there"),
        ("DELETE FROM indexes", "the index indexed_1 is there, but is not noted"),
        ("UPDATE log SET first = 60 WHERE seq = 62 AND oid = 1", "goes from 60 to 62"),
    ] {
        check(sql, sentence).await;
    }
}

#[tokio::test]
async fn a_damaged_page_is_reported_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abide.db");
    let good = owner(&path).await;
    good.grow(&key("a"), 500).await;
    drop(good);
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    for page in pages / 2..pages {
        bytes[page * 4_096..page * 4_096 + 64].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();
    let store = open(&path);
    let faults = store.verify(9).await;
    let damaged = match &faults {
        Ok(faults) => faults.iter().any(|fault| fault.contains("the file")),
        Err(error) => error.to_string().contains("damaged"),
    };
    assert!(damaged, "{faults:?}");
}
