//! Objects over a real PostgreSQL.
#![cfg(feature = "postgres")]

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use abide::{prelude::*, store::join};
use abide_services::{Postgres, postgres::Options};
use tokio::{sync::Semaphore, time::sleep};

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

/// How many bells have begun to wait.
static WAITING: AtomicU64 = AtomicU64::new(0);
/// What is open lets bells hear that wait for it.
static OPEN: Semaphore = Semaphore::const_new(0);

#[derive(State, Default)]
struct Bell {
    heard: u64,
    rung: u64,
}

#[object]
impl Bell {
    #[handler]
    async fn hear(&mut self, waits: bool) {
        if waits {
            WAITING.fetch_add(1, Ordering::SeqCst);
            drop(OPEN.acquire().await);
        }
        self.heard += 1;
    }

    #[handler]
    fn tell(&mut self, ctx: &mut Context, whom: String, waits: bool) -> Result<()> {
        ctx.object::<Self>(&whom).hear(waits).send(ctx)
    }

    #[handler]
    fn wind(&mut self, ctx: &mut Context, after: String) {
        ctx.alarm("ring").after(after.as_str());
    }

    #[alarm]
    fn ring(&mut self) {
        self.rung += 1;
    }

    #[handler]
    fn told(&self) -> (u64, u64) {
        (self.heard, self.rung)
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_alarms_of_one_database_go_on_while_another_is_away() {
    let start = || Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let (one, mut other) = (start(), start());
    let url = |server: &Postgres| format!("{}?shards=16&wait=1", server.url());
    let both = join(&[url(&one), url(&other)]);
    let abide =
        Abide::open(both).configure(|options| options.messages_in_memory = 8).register::<Bell>().start().await.unwrap();
    let bell = |shards: Range<u32>, name: &str| {
        let named = (0..).map(|n| abide.object::<Bell>(&format!("{name}{n}")));
        let mut held = named.filter(|bell| shards.contains(&bell.key().unwrap().shard(16).number()));
        held.next().unwrap()
    };
    let [teller, listener, patient] = ["teller", "listener", "patient"].map(|name| bell(0..8, name));
    let there = bell(8..16, "there");
    let id = |bell: &BellRef| bell.key().unwrap().id().to_owned();

    there.tell(id(&patient), true).await.unwrap();
    there.wind("2s".into()).await.unwrap();
    until("the message is not on its way", async || WAITING.load(Ordering::SeqCst) == 1).await;
    other.kill9().unwrap();
    // It is delivered, and cannot be taken out of the database that it is from.
    OPEN.add_permits(1);
    until("the message was not delivered", async || patient.told().await.unwrap() == (1, 0)).await;
    for _ in 0..40 {
        teller.tell(id(&listener), false).await.unwrap();
    }
    teller.wind("10ms".into()).await.unwrap();
    until("messages wait for the other database", async || listener.told().await.unwrap() == (40, 0)).await;
    until("an alarm waits for the other database", async || teller.told().await.unwrap() == (0, 1)).await;

    other.start_again().unwrap();
    let rang = async || there.told().await.is_ok_and(|told| told == (0, 1));
    until("the other database's alarm was not looked for again", rang).await;
    let gone = async || {
        let page = abide.store().outbox(None, 9).await;
        page.is_ok_and(|page| page.messages.is_empty() && !page.partial)
    };
    until("messages stay in the store", gone).await;
    assert_eq!(patient.told().await.unwrap(), (1, 0));
    abide.shutdown().await.unwrap();
}
