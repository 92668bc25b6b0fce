//! Transfers between purses in real databases that are killed meanwhile: the sum never changes, and each
//! transfer takes effect once.
#![cfg(all(feature = "postgres", feature = "redis"))]
#![allow(clippy::disallowed_methods, reason = "tests are the shell: they spawn tasks and read the clock")]

use std::time::Duration;

use abide::{Running, prelude::*};
use abide_services::{Postgres, Redis};
use tokio::{sync::watch, time::sleep};

const PURSES: usize = 10;
const EACH: i64 = 1_000;
const PAYERS: usize = 6;
const TRANSFERS: usize = 60;
/// All transfers are done within this time, or something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(State, Default)]
struct Purse {
    amount: i64,
}

#[object]
impl Purse {
    #[handler]
    fn add(&mut self, amount: i64) -> i64 {
        self.amount += amount;
        self.amount
    }

    #[handler]
    fn amount(&self) -> i64 {
        self.amount
    }
}

/// The `n`th transfer of a payer: from where, to where, how much.
fn plan(payer: usize, n: usize) -> (usize, usize, i64) {
    let from = (payer * 3 + n * 7) % PURSES;
    (from, (from + 1 + (payer + n) % (PURSES - 1)) % PURSES, 1 + ((payer + n) % 5) as i64)
}

fn purse(abide: &Running, n: usize) -> Ref<Purse> {
    abide.object::<Purse>(&format!("purse-{n}"))
}

/// Pays once, however often it is tried.
async fn pay(abide: &Running, payer: usize, n: usize) {
    let (from, to, amount) = plan(payer, n);
    let (from, to) = (purse(abide, from), purse(abide, to));
    loop {
        let transfer = abide.transaction(&[&from, &to], |tx| {
            let (from, to) = (from.within(&tx), to.within(&tx));
            async move {
                from.add(-amount).await?;
                to.add(amount).await
            }
        });
        match transfer.key(format!("payment {payer}-{n}")).timeout("5s").await {
            Ok(_) => return,
            Err(error) if error.retryable() => sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("payment {payer}-{n}: {error}"),
        }
    }
}

/// Pays from many sides while `kill` takes the database away so many times.
async fn transfers_survive(url: &str, kills: usize, mut kill: impl FnMut()) {
    let abide = Abide::open(url).register::<Purse>().start().await.unwrap();
    for n in 0..PURSES {
        purse(&abide, n).add(EACH).key("first").await.unwrap();
    }
    let (paid, mut progress) = watch::channel(0);
    let payers: Vec<_> = (0..PAYERS)
        .map(|payer| {
            let (abide, paid) = (abide.clone(), paid.clone());
            tokio::spawn(async move {
                for n in 0..TRANSFERS {
                    pay(&abide, payer, n).await;
                    paid.send_modify(|paid| *paid += 1);
                }
            })
        })
        .collect();
    for nth in 1..=kills {
        progress.wait_for(|paid| *paid >= nth * PAYERS * TRANSFERS / (kills + 1)).await.unwrap();
        tokio::task::block_in_place(&mut kill);
    }
    for payer in payers {
        payer.await.unwrap();
    }
    let mut expected = [EACH; PURSES];
    for (from, to, amount) in (0..PAYERS).flat_map(|payer| (0..TRANSFERS).map(move |n| plan(payer, n))) {
        expected[from] -= amount;
        expected[to] += amount;
    }
    assert_eq!(amounts(&abide).await, expected, "in memory");
    abide.shutdown().await.unwrap();
    let again = Abide::open(url).register::<Purse>().start().await.unwrap();
    assert_eq!(amounts(&again).await, expected, "in the store");
    assert_eq!(expected.iter().sum::<i64>(), EACH * PURSES as i64);
    assert_eq!(again.store().verify(9).await.unwrap(), Vec::<String>::new());
}

async fn amounts(abide: &Running) -> [i64; PURSES] {
    let mut amounts = [0; PURSES];
    for (n, amount) in amounts.iter_mut().enumerate() {
        *amount = purse(abide, n).amount().await.unwrap();
    }
    amounts
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_postgres_survive_a_server_that_is_killed() {
    let mut server = Postgres::start().unwrap();
    let url = server.url();
    let paid = transfers_survive(&url, 3, || {
        server.kill9().unwrap();
        server.start_again().unwrap();
    });
    tokio::time::timeout(PATIENCE, paid).await.expect("all is paid in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_postgres_survive_a_failover() {
    let mut primary = Postgres::start().unwrap();
    let standby = primary.standby().unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port(), primary.port());
    // Confirmed only when the standby has it, too: otherwise a failover may lose what was confirmed.
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
    primary.sql("SELECT pg_reload_conf()").unwrap();
    let paid = transfers_survive(&url, 1, || {
        primary.kill9().unwrap();
        standby.promote().unwrap();
    });
    tokio::time::timeout(PATIENCE, paid).await.expect("all is paid in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_redis_survive_a_server_that_is_killed() {
    let mut server = Redis::start().unwrap();
    let url = server.url();
    let paid = transfers_survive(&url, 3, || {
        server.kill9().unwrap();
        server.start_again().unwrap();
    });
    tokio::time::timeout(PATIENCE, paid).await.expect("all is paid in time");
}
