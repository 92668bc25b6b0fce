//! What one object may hold.

use std::{sync::Arc, time::Duration};

use abide::{Code, prelude::*, testing};
use parking_lot::Mutex;

#[derive(State, Default)]
pub struct Page {
    edits: u64,
}

#[object]
impl Page {
    #[handler]
    pub fn edit(&mut self) -> u64 {
        self.edits += 1;
        self.edits
    }

    #[handler]
    pub async fn read_slowly(&self) -> u64 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        self.edits
    }
}

#[test]
fn readers_of_all_versions_of_an_object_are_counted_together() {
    testing::run(|world| async move {
        let world = world.register::<Page>().start().await;
        let page = world.object::<Page>("a");
        for round in 0..2 {
            let mut readers = Vec::new();
            for _ in 0..300 {
                readers.push(tokio::spawn(page.read_slowly().into_future()));
                tokio::task::yield_now().await;
                page.edit().await.unwrap();
            }
            let (mut read, mut refused) = (0, 0);
            for reader in readers {
                match reader.await.unwrap() {
                    Ok(_) => read += 1,
                    Err(error) if error.code() == Code::Overloaded => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!((read, refused), (256, 44), "in round {round}: those that are done count no more");
        }
    });
}

#[derive(State, Default)]
pub struct Ledger {
    entries: u64,
}

#[object(durability = "behind:1h", history = "all")]
impl Ledger {
    #[handler]
    pub fn enter(&mut self) -> u64 {
        self.entries += 1;
        self.entries
    }

    #[handler]
    pub fn write(&mut self, ctx: &mut Context, text: String) -> u64 {
        ctx.emit("Written", text);
        self.enter()
    }
}

#[test]
fn what_an_object_owes_is_written_early_once_it_is_much() {
    testing::run(|world| async move {
        let world = world.register::<Ledger>().start().await;
        for _ in 0..1000 {
            world.object::<Ledger>("a").enter().await.unwrap();
        }
        world.settle().await;
        assert!(world.state::<Ledger>("a").is_none(), "little waits for its time");
        for _ in 0..4000 {
            world.object::<Ledger>("a").enter().await.unwrap();
        }
        world.settle().await;
        let stored = world.state::<Ledger>("a").map_or(0, |ledger| ledger.entries);
        assert!((3900..5000).contains(&stored), "{stored}");
        for _ in 0..30 {
            world.object::<Ledger>("b").write("x".repeat(100_000)).await.unwrap();
        }
        world.settle().await;
        let stored = world.state::<Ledger>("b").map_or(0, |ledger| ledger.entries);
        assert!((15..30).contains(&stored), "{stored}");
        world.advance("2h").await;
        assert_eq!(world.state::<Ledger>("a").unwrap().entries, 5000);
        assert_eq!(world.state::<Ledger>("b").unwrap().entries, 30);
        assert_eq!(world.changes::<Ledger>("a").len(), 5000);
    });
}

#[derive(State, Default)]
pub struct Slip {
    entries: u64,
}

#[object(durability = "behind:100ms", history = "all")]
impl Slip {
    #[handler]
    pub fn enter(&mut self) -> u64 {
        self.entries += 1;
        self.entries
    }
}

#[test]
fn answers_wait_for_a_store_that_cannot_keep_up_however_short_the_interval() {
    testing::run(|world| async move {
        let world = world.register::<Slip>().start().await;
        let slip = world.object::<Slip>("a");
        slip.enter().await.unwrap();
        world.set_faults(testing::Faults { delay_ms: 20_000..=20_000, ..testing::Faults::none() });
        let answered = Arc::new(Mutex::new(0));
        let caller = |_| {
            let (slip, answered) = (slip.clone(), answered.clone());
            tokio::spawn(async move {
                for _ in 0..500 {
                    slip.enter().timeout("10m").await.unwrap();
                    *answered.lock() += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        };
        let callers: Vec<_> = (0..20).map(caller).collect();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let early = *answered.lock();
        assert!((1000..2000).contains(&early), "{early} were answered while the store had none");
        for caller in callers {
            caller.await.unwrap();
        }
        world.advance("1h").await;
        assert_eq!(world.state::<Slip>("a").unwrap().entries, 10_001);
        assert_eq!(world.changes::<Slip>("a").len(), 10_001);
    });
}

#[test]
fn answers_wait_for_a_store_that_cannot_keep_up_with_what_is_owed() {
    testing::run(|world| async move {
        let world = world.register::<Ledger>().start().await;
        let ledger = world.object::<Ledger>("a");
        ledger.enter().await.unwrap();
        world.set_faults(testing::Faults { delay_ms: 20_000..=20_000, ..testing::Faults::none() });
        let answered = Arc::new(Mutex::new(0));
        let caller = |_| {
            let (ledger, answered) = (ledger.clone(), answered.clone());
            tokio::spawn(async move {
                for _ in 0..1000 {
                    ledger.enter().timeout("10m").await.unwrap();
                    *answered.lock() += 1;
                }
            })
        };
        let callers: Vec<_> = (0..20).map(caller).collect();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let early = *answered.lock();
        assert!((1000..3000).contains(&early), "{early} were answered while the store had none");
        for caller in callers {
            caller.await.unwrap();
        }
        world.advance("2h").await;
        assert_eq!(world.state::<Ledger>("a").unwrap().entries, 20_001);
        assert_eq!(world.changes::<Ledger>("a").len(), 20_001);
    });
}
