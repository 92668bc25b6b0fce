//! Objects over a real PostgreSQL.
#![cfg(feature = "postgres")]

use abide::prelude::*;
use abide_services::{Postgres, postgres::Options};

/// A snapshot is kept every so many changes at least.
const SNAPSHOT_EVERY: u64 = 64;

#[derive(State, Default)]
struct Tally {
    count: u64,
    last: String,
}

#[object(history = "all")]
impl Tally {
    #[handler]
    fn add(&mut self, what: String) -> u64 {
        self.count += 1;
        self.last = what;
        self.count
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_kept_state_costs_a_bounded_replay() {
    let counted = Options { fsync: false, ..Options::default() }.with("shared_preload_libraries", "pg_stat_statements");
    let server = Postgres::start_with(&counted).unwrap();
    server.sql("CREATE EXTENSION pg_stat_statements").unwrap();
    let abide = Abide::open(server.url()).register::<Tally>().start().await.unwrap();
    let tally = abide.object::<Tally>("a");
    for n in 1..=1_000u64 {
        assert_eq!(tally.add(format!("the {n}th")).await.unwrap(), n);
    }
    let key = tally.key().unwrap().clone();
    for seq in (1..=1_000).step_by(37).chain([64, 65, 128, 129, 1_000]) {
        server.sql("SELECT pg_stat_statements_reset()").unwrap();
        let then = abide.state_at(&key, abide::Seq::new(seq)).await.unwrap();
        let state: serde_json::Value = then.state.value();
        assert_eq!((state["count"].as_u64(), state["last"].as_str()), (Some(seq), Some(&*format!("the {seq}th"))));
        let rows =
            server.sql("SELECT sum(rows) FROM pg_stat_statements WHERE query LIKE '%abide%' OR query LIKE '%log%'");
        let rows: u64 = rows.unwrap().trim().parse().unwrap();
        // The head, the snapshot, the object, and the changes between.
        assert!((1..=SNAPSHOT_EVERY + 4).contains(&rows), "{rows} rows were read for the state at {seq}");
    }
    abide.shutdown().await.unwrap();
}
