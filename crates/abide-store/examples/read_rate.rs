//! How fast the SQLite store answers reads: loads, pages of history, and lists with a filter beside
//! the same condition in SQL.
//!
//! `cargo run --release -p abide-store --example read_rate [-- folder]`

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{path::PathBuf, sync::Arc, time::Instant};

use abide_core::{
    Filter, Seq,
    port::store::{Commit, ListQuery, Write},
};
use abide_store::{
    SqliteOptions, SqliteStore,
    contract::fixture::{Owner, at, json, key},
};
use rusqlite::Connection;

const OBJECTS: u64 = 100_000;
const AT_ONCE: u64 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("abide-read-rate-{}", std::process::id()));
    let path = folder.join("abide.db");
    let store = SqliteStore::open(&path, SqliteOptions::default()).expect("the store opens");
    let owner = Owner::claim(Arc::new(store)).await;
    fill(&owner).await;
    loads(&owner).await;
    history(&owner).await;
    filtered(&owner).await;
    in_sql(&path);
    drop(owner);
    std::fs::remove_dir_all(folder).expect("removed");
}

async fn fill(owner: &Owner) {
    for start in (0..OBJECTS).step_by(1_000) {
        let put = |n: u64| Commit {
            write: Write::Put {
                state: json(&format!(
                    r#"{{"count":{n},"status":"open","owner":{{"name":"alice","id":{n}}},"tags":["a","b"]}}"#
                )),
                version: 1,
                created_at: at(0),
                updated_at: at(0),
            },
            ..owner.put(&key(&n.to_string()), 0)
        };
        owner.done((start..start + 1_000).map(put).collect()).await;
    }
    let long = key("long");
    for start in (0..10_000).step_by(1_000) {
        owner.done((start..start + 1_000).map(|head| owner.put(&long, head)).collect()).await;
    }
}

async fn loads(owner: &Owner) {
    let start = Instant::now();
    for turn in 0..1_000u64 {
        let load = |n: u64| owner.store.load(&key(&((turn * AT_ONCE + n) * 7_919 % OBJECTS).to_string()));
        let loads: Vec<_> = (0..AT_ONCE).map(load).collect();
        for load in loads {
            assert!(load.await.expect("loaded").is_some());
        }
    }
    report("loads, 64 at once", 1_000 * AT_ONCE, start);
}

async fn history(owner: &Owner) {
    let (long, start, mut after) = (key("long"), Instant::now(), Seq::ZERO);
    loop {
        let page = owner.store.changes(&long, after, 100).await.expect("read");
        match page.changes.last() {
            Some(last) => after = last.seq,
            None => break,
        }
    }
    report("changes, in pages of 100", after.number(), start);
}

async fn filtered(owner: &Owner) {
    let start = Instant::now();
    let query = ListQuery {
        namespace: key("x").namespace().clone(),
        kind: key("x").kind().clone(),
        prefix: String::new(),
        filter: Some(Filter::parse("count>=99990 and status=open").expect("a filter")),
        order: None,
        after: None,
        limit: 100,
    };
    let page = owner.store.list(query).await.expect("listed");
    assert_eq!(page.objects.len(), 10);
    report("objects filtered by the store", OBJECTS, start);
}

fn in_sql(path: &std::path::Path) {
    let conn = Connection::open(path).expect("opened");
    let start = Instant::now();
    let sql = "SELECT count(*) FROM objects WHERE namespace = 'default' AND kind = 'Counter'
               AND json_extract(state, '$.count') >= 99990 AND json_extract(state, '$.status') = 'open'";
    let found: i64 = conn.query_row(sql, [], |row| row.get(0)).expect("counted");
    assert_eq!(found, 10);
    report("objects filtered by json_extract", OBJECTS, start);
}

fn report(what: &str, count: u64, start: Instant) {
    println!("{what:<36} {:>10.0}/s", count as f64 / start.elapsed().as_secs_f64());
}
