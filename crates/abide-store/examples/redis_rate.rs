//! How many commits a second a Redis server takes: `redis_rate URL [batch size] [batches under way] [seconds]`.
//!
//! Each commit changes one field of one of a thousand counters, keeps its change, and is published. To
//! compare: `redis-benchmark -P 32 hset …` and `… publish …` against the same server.

#[cfg(not(feature = "redis"))]
fn main() {}

#[cfg(feature = "redis")]
#[tokio::main]
async fn main() {
    rate::run().await;
}

#[cfg(feature = "redis")]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures real time, for a person to read")]
mod rate {
    use std::{sync::Arc, time::Instant};

    use abide_store::{
        RedisStore,
        contract::fixture::{Owner, key},
    };

    const OBJECTS: usize = 1_024;

    pub(super) async fn run() {
        let mut arguments = std::env::args().skip(1);
        let url = arguments.next().unwrap_or_else(|| "redis://127.0.0.1:6379?durability=everysec".into());
        let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
        let (batch, under_way, seconds) = (number(32), number(8), number(5));
        let store = RedisStore::open(&url).await.expect("the store opens");
        let owner = Arc::new(Owner::claim(Arc::new(store)).await);
        let each = OBJECTS / under_way;
        let begin = Instant::now();
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..under_way {
            let owner = owner.clone();
            lanes.spawn(async move {
                let keys: Vec<_> = (0..each).map(|n| key(&format!("{lane}-{n}"))).collect();
                let mut heads = Vec::new();
                for key in &keys {
                    heads.push(owner.head(key).await);
                }
                let (mut next, mut done) = (0, 0);
                while begin.elapsed().as_secs() < seconds as u64 {
                    let places: Vec<_> = (0..batch.min(each)).map(|n| (next + n) % each).collect();
                    next = (next + places.len()) % each;
                    let keep = |place: &usize| {
                        let put = owner.put(&keys[*place], heads[*place]);
                        let trim = Some(abide_core::Seq::new(heads[*place].saturating_sub(100)));
                        abide_core::port::store::Commit { trim, ..put }
                    };
                    owner.done(places.iter().map(keep).collect()).await;
                    done += places.len();
                    places.into_iter().for_each(|place| heads[place] += 1);
                }
                done
            });
        }
        let done: usize = lanes.join_all().await.into_iter().sum();
        let rate = done as f64 / begin.elapsed().as_secs_f64();
        println!("{rate:.0} commits a second, in batches of {batch}, {under_way} under way");
    }
}
