//! A store with something of everything, and what it holds as rows.

use abide_core::{
    ChangeRecord, Error, Incarnation, Json, Key, Seq, Store,
    port::store::{Alarm, Commit, OutboxMessage, Outcome, Row, Tally, Write},
};

use super::fixture::{Owner, alarm, at, change, count, json, key, message, named, outcome};
use crate::MemoryStore;

/// How many changes the object with a long log has.
pub const LONG: u64 = 200;

/// The same in a memory store: what the others are compared with.
pub async fn reference(shards: u32) -> MemoryStore {
    let memory = MemoryStore::new(shards);
    fill(&Owner::claim(std::sync::Arc::new(memory.clone())).await).await;
    memory
}

/// Commits something of everything.
pub async fn fill(owner: &Owner) {
    long(owner).await;
    graves(owner).await;
    odd(owner).await;
    owned(owner).await;
}

/// A long log with snapshots and a moved floor, one without any history, and one that was trimmed whole.
async fn long(owner: &Owner) {
    let long = key("long");
    for expected in (0..LONG).step_by(20) {
        let record = |seq: u64| ChangeRecord { snapshot: seq.is_multiple_of(50).then(|| count(seq)), ..change(seq) };
        let put = owner.put(&long, expected + 19);
        let trim = (expected == 100).then_some(Seq::new(70));
        let changes = (expected + 1..=expected + 20).map(record).collect();
        owner.done(vec![Commit { expected: Seq::new(expected), changes, trim, ..put }]).await;
    }
    let (bare, trimmed) = (key("bare"), key("trimmed"));
    for head in 0..3 {
        owner.done(vec![Commit { keep_changes: false, ..owner.put(&bare, head) }]).await;
    }
    owner.grow(&trimmed, 2).await;
    owner.done(vec![Commit { trim: Some(Seq::new(3)), ..owner.put(&trimmed, 2) }]).await;
}

/// A grave with an outcome, an object that came back, and one that never had a state.
async fn graves(owner: &Owner) {
    let (gone, back, never) = (key("gone"), key("back"), key("never"));
    let keyed = Commit { outcomes: vec![outcome("me", "once", 1_000)], ..owner.put(&gone, 0) };
    owner.done(vec![keyed]).await;
    owner.done(vec![owner.delete(&gone, 1)]).await;
    owner.grow(&back, 2).await;
    owner.done(vec![owner.delete(&back, 2)]).await;
    owner.done(vec![Commit { incarnation: Incarnation::new(2), ..owner.put(&back, 3) }]).await;
    let refused = Outcome {
        reply: Err(Error::rejected("not enough").with_data(serde_json::json!({"missing": 0.1}))),
        ..outcome("alice", "k\0", 2_000)
    };
    owner.done(vec![Commit { outcomes: vec![refused], ..owner.keep(&never, 0) }]).await;
}

/// Names and states that no store may change.
async fn odd(owner: &Owner) {
    let texts = [
        r#"{ "count" : 1.50, "count": 2 }"#,
        r#"{"z":1,"a":[1e300,-0.0,18446744073709551616],"nul":"\u0000","@at":"\u00e9"}"#,
        r#"["no", "object"]"#,
        r#"{}"#,
        "7",
    ];
    for (n, text) in texts.iter().enumerate() {
        let key = named("tenant-2", "Odd.Kind_1", &format!("a\0b {n} 🦀/%{{}}:\u{1}"));
        owner.done(vec![put(owner, &key, json(text))]).await;
    }
    owner.done(vec![owner.put(&key(&"x".repeat(512)), 0)]).await;
    owner.done(vec![put(owner, &key("large"), json(&format!("[\"{}\"]", "é".repeat(700_000))))]).await;
}

fn put(owner: &Owner, key: &Key, state: Json) -> Commit {
    let write = Write::Put { state, version: 3, created_at: at(-5), updated_at: at(7) };
    Commit { write, ..owner.put(key, 0) }
}

/// Alarms, messages and numbers of messages.
async fn owned(owner: &Owner) {
    let (rich, other) = (key("rich"), named("tenant-2", "Other", "o"));
    let dead = Alarm { dead: Some("gave up\0".into()), attempt: 9, ..alarm("dead", 1) };
    let every = Alarm {
        schedule: serde_json::from_str(r#"{"cron":{"expr":"0 9 * * MON-FRI","tz":"Europe/Berlin"}}"#).ok(),
        payload: json(r#"{"b": 1, "a": "\u0000"}"#),
        principal: Some(json(r#"{"subject":"alice"}"#)),
        ..alarm("every", 500)
    };
    let sent = OutboxMessage { principal: Some(json(r#"{"subject":"alice"}"#)), ..message(&rich, 3, &other) };
    let full = Commit {
        outbox: vec![message(&rich, 1, &rich), message(&rich, 2, &other), sent],
        received: vec![(other.clone(), 7), (rich.clone(), 1)],
        outcomes: vec![outcome("me", "k", 3_000), outcome("you", "k", 3_000)],
        ..owner.alarms(&rich, 0, vec![alarm("x", 300), dead, every])
    };
    owner.done(vec![full]).await;
    owner.store.acknowledge(vec![message(&rich, 1, &rich).id]).await.expect("the store acknowledges");
}

/// All rows of a store, in pages of at most `limit`, which are held to be so.
pub async fn rows(store: &dyn Store, limit: usize) -> Vec<Row> {
    let mut export = store.export().await.expect("the store exports");
    let mut rows = Vec::new();
    loop {
        let page = export.next(limit).await.expect("the store reads on");
        assert!(page.len() <= limit, "{} rows where {limit} were asked for", page.len());
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// The rows of a store in an order that is the same for all stores.
pub async fn sorted(store: &dyn Store) -> Vec<Row> {
    let mut rows = rows(store, 1_000).await;
    in_any_order(&mut rows);
    rows
}

/// Brings rows into that order.
pub fn in_any_order(rows: &mut [Row]) {
    rows.sort_by_cached_key(bytes);
}

/// What rows add up to.
pub fn tally(rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        tally.add(row, &bytes(row));
    }
    tally
}

fn bytes(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::new();
    row.write(&mut bytes);
    bytes
}

/// Panics at the first row that differs, not with all of them.
pub fn same(found: &[Row], expected: &[Row]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "found {}\nwhere there should be {}", shown(found), shown(expected));
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(tally(found), tally(expected));
}

fn shown(row: &Row) -> String {
    format!("{row:?}").chars().take(600).collect()
}
