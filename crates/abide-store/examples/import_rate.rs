//! How many objects a second PostgreSQL takes in, and hands out again.
//!
//! `cargo run --release -p abide-store --features postgres --example import_rate [-- objects [page]]`
//!
//! Each object has a state and one change, as an export of another store gives them. The server, with
//! fsync on, shares the machine.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::time::Instant;

use abide_core::{
    ChangeRecord, Incarnation, Json, Key, Seq, Store,
    port::store::{ObjectRow, Row},
};
use abide_services::Postgres;
use abide_store::{PostgresOptions, PostgresStore, contract::fixture::at};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (objects, page) = (args.next().unwrap_or(1_000_000), args.next().unwrap_or(4_000));
    let server = Postgres::start().expect("PostgreSQL is installed");
    let store = PostgresStore::open(&server.url(), PostgresOptions::default()).await.expect("the store opens");
    store.import_begin("generated".into(), false).await.expect("the import begins");
    let begun = Instant::now();
    let mut sent = 0;
    for first in (0..objects).step_by(usize::try_from(page).expect("a page")) {
        let rows: Vec<Row> = (first..objects.min(first + page)).flat_map(rows).collect();
        let more = rows.len() as u64;
        store.import(sent, rows).await.expect("the store takes rows");
        sent += more;
    }
    store.import_done(sent).await.expect("the import ends");
    told("imported", objects, begun);
    let begun = Instant::now();
    let mut export = store.export().await.expect("the export begins");
    let mut found = 0;
    loop {
        let page = export.next(4_000).await.expect("the store reads on").len() as u64;
        found += page;
        if page == 0 {
            break;
        }
    }
    assert_eq!(found, sent);
    told("exported", objects, begun);
}

fn rows(n: u64) -> [Row; 2] {
    let key = Key::parse("default", "Counter", &format!("user-{n:08}")).expect("the name is legal");
    let patch = format!(r#"{{"count":{n},"last_incremented_at":"2026-01-02T03:04:05.678Z"}}"#);
    let state = Json::parse(&patch).expect("the state is JSON");
    let json =
        format!(r#"{{"seq":1,"at":"2026-01-02T03:04:05.678Z","patch":{patch},"cause":{{"handler":"increment"}}}}"#);
    let json = Json::parse(&json).expect("the change is JSON");
    let object = ObjectRow {
        key: key.clone(),
        head: Seq::new(1),
        floor: Seq::ZERO,
        incarnation: Incarnation::new(1),
        state: Some(state),
        version: 1,
        created_at: at(0),
        updated_at: at(0),
        commit_id: n,
    };
    let change = ChangeRecord { seq: Seq::new(1), at: at(0), json, snapshot: None };
    [Row::Object(Box::new(object)), Row::Change { key, change }]
}

fn told(what: &str, objects: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what} {objects} objects in {seconds:.1} s: {:.0}/s", objects as f64 / seconds);
}
