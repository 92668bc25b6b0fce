//! A store, those who write to it, and what they were told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use abide_core::{
    Key, Store, StoreError,
    port::store::{Commit, Committed},
};
use abide_store::{
    PostgresOptions, PostgresStore,
    contract::fixture::{Owner, key},
};
use tokio::time::sleep;

/// How long anything may take until it has to be well again.
pub(crate) const WELL_WITHIN: Duration = Duration::from_secs(40);

/// Small enough for tests.
pub(crate) fn options() -> PostgresOptions {
    PostgresOptions { shards: Some(16), wait: Duration::from_secs(20), ..PostgresOptions::default() }
}

pub(crate) async fn open(url: &str, options: PostgresOptions) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, options).await.unwrap())
}

/// One object's truth as its writer knows it: a commit that was answered Done is there, one whose answer
/// was lost is there or not, and nothing else is.
pub(crate) struct Load {
    pub(crate) owner: Arc<Owner>,
    stop: Arc<AtomicBool>,
    writers: Vec<tokio::task::JoinHandle<(Key, u64, Told)>>,
}

/// How often the store said what.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) done: u64,
    pub(crate) unavailable: u64,
    pub(crate) unknown: u64,
}

impl Load {
    /// So many writers, each with an object of its own.
    pub(crate) fn start(owner: Owner, writers: usize) -> Self {
        let (owner, stop) = (Arc::new(owner), Arc::new(AtomicBool::new(false)));
        let write = |n: usize| tokio::spawn(write(Arc::clone(&owner), key(&n.to_string()), Arc::clone(&stop)));
        let writers = (0..writers).map(write).collect();
        Self { owner, stop, writers }
    }

    /// Stops the writers and holds the store to what it told them.
    pub(crate) async fn check(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        let mut told = Told::default();
        let mut heads = BTreeMap::new();
        for writer in self.writers {
            let (key, head, by_one) = writer.await.unwrap();
            told.done += by_one.done;
            told.unavailable += by_one.unavailable;
            told.unknown += by_one.unknown;
            heads.insert(key, head);
        }
        for (key, head) in heads {
            assert_eq!(self.owner.head(&key).await, head, "{key}");
            let first = head.saturating_sub(50);
            assert_eq!(self.owner.seqs(&key, first, 99).await, (first + 1..=head).collect::<Vec<_>>(), "{key}");
        }
        assert_eq!(self.owner.store.verify(9).await.unwrap(), Vec::<String>::new());
        told
    }
}

async fn write(owner: Arc<Owner>, key: Key, stop: Arc<AtomicBool>) -> (Key, u64, Told) {
    let (mut head, mut told) = (0, Told::default());
    while !stop.load(Ordering::SeqCst) {
        let commit = owner.put(&key, head);
        match owner.store.commit(vec![commit.clone()]).await {
            Ok(answers) => {
                assert_eq!(answers, [Committed::Done], "{key} at {head}");
                head += 1;
                told.done += 1;
            }
            Err(StoreError::Unavailable(_) | StoreError::Full(_)) => told.unavailable += 1,
            Err(StoreError::Unknown(_)) => {
                told.unknown += 1;
                head = settled(&owner, &key, head, &commit).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    (key, head, told)
}

/// Reads back whether a commit is there.
pub(crate) async fn settled(owner: &Owner, key: &Key, head: u64, commit: &Commit) -> u64 {
    let end = Instant::now() + WELL_WITHIN;
    let found = loop {
        match owner.store.load(key).await {
            Ok(found) => break found,
            Err(error) => assert!(Instant::now() < end, "{key} could not be read back: {error}"),
        }
    };
    match found {
        Some(loaded) if loaded.commit_id == commit.id => {
            assert_eq!(loaded.head.number(), head + 1);
            head + 1
        }
        Some(loaded) => {
            assert_eq!(loaded.head.number(), head);
            head
        }
        None => {
            assert_eq!(head, 0);
            0
        }
    }
}

/// Tries until something works again.
pub(crate) async fn well<T>(what: &str, attempt: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + WELL_WITHIN;
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(Instant::now() < end, "{what} did not work within {WELL_WITHIN:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
