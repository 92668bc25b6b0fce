//! A projection to test with: how much each wallet holds, and every change that led there.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use abide::{
    Backoff,
    prelude::*,
    projection::{Batch, Follow, MemoryModel, MemoryTx, OnGap, Project, ProjectResult, ProjectionOptions, TypedFact},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

#[derive(State, Default)]
pub struct Wallet {
    pub cents: i64,
}

#[object(history = "all")]
impl Wallet {
    #[handler]
    pub fn add(&mut self, ctx: &mut Context, cents: i64) -> i64 {
        self.cents += cents;
        ctx.emit("Added", json!({"cents": cents}));
        self.cents
    }

    #[handler]
    pub fn close(&mut self, ctx: &mut Context) {
        ctx.delete_self();
    }
}

/// Keeps no changes.
#[derive(State, Default)]
pub struct Gauge {
    pub level: i64,
}

#[object(history = "none")]
impl Gauge {
    #[handler]
    pub fn set(&mut self, level: i64) {
        self.level = level;
    }
}

/// What the projection has written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// By object: what it holds.
    pub cents: BTreeMap<String, i64>,
    /// By object: the sum of what events said.
    pub events: BTreeMap<String, i64>,
    /// Everything, as it came.
    pub lines: Vec<String>,
    /// How often it was cleared.
    pub cleared: usize,
}

#[derive(Clone)]
pub struct Totals {
    pub kinds: Vec<&'static str>,
    pub follow: Follow,
    pub options: ProjectionOptions,
    /// Each batch takes a permit first, if there are any to take.
    pub gate: Option<Arc<Semaphore>>,
    /// Fails for this object.
    pub poison: Arc<Mutex<Option<String>>>,
    pub panics: Arc<AtomicBool>,
    pub largest: Arc<AtomicUsize>,
}

impl Totals {
    pub fn new() -> Self {
        Self {
            kinds: vec!["Wallet"],
            follow: Follow::Changes,
            options: ProjectionOptions {
                poll: Duration::from_millis(20),
                backoff: Backoff {
                    first: Duration::from_millis(2),
                    max: Duration::from_millis(20),
                    ..ProjectionOptions::default().backoff
                },
                ..ProjectionOptions::default()
            },
            gate: None,
            poison: Arc::default(),
            panics: Arc::default(),
            largest: Arc::default(),
        }
    }

    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.options.on_gap = on_gap;
        self
    }
}

pub type Shelf = MemoryModel<Book>;

pub fn shelf() -> Shelf {
    MemoryModel::new(Book::default())
}

impl Project for Totals {
    const NAME: &'static str = "totals";
    type Model = Shelf;

    fn kinds(&self) -> Vec<&'static str> {
        self.kinds.clone()
    }

    fn follows(&self) -> Follow {
        self.follow
    }

    fn options(&self) -> ProjectionOptions {
        self.options.clone()
    }

    async fn clear(&self, tx: &mut MemoryTx<Book>) -> ProjectResult {
        **tx = Book { cleared: tx.cleared + 1, ..Book::default() };
        Ok(())
    }

    async fn apply(&self, tx: &mut MemoryTx<Book>, batch: &Batch) -> ProjectResult {
        if let Some(gate) = &self.gate {
            gate.acquire().await?.forget();
        }
        self.largest.fetch_max(batch.len(), Ordering::SeqCst);
        let poison = self.poison.lock().clone();
        for item in batch.of::<Wallet>() {
            let item = item?;
            if poison.as_deref() == Some(item.key.id()) {
                assert!(!self.panics.load(Ordering::SeqCst), "poisoned by {}", item.key.id());
                return Err(format!("{} cannot be counted", item.key.id()).into());
            }
            tx.note(item.key.id(), &item.fact);
        }
        for item in batch.of::<Gauge>() {
            let item = item?;
            if let TypedFact::State(gauge) = item.fact {
                tx.cents.insert(item.key.id().to_owned(), gauge.level);
            }
        }
        Ok(())
    }
}

impl Book {
    fn note(&mut self, id: &str, fact: &TypedFact<'_, Wallet>) {
        let line = match fact {
            TypedFact::Change(change) => {
                if let Some(cents) = change.patch.get("cents").and_then(serde_json::Value::as_i64) {
                    self.cents.insert(id.to_owned(), cents);
                }
                for event in &change.events {
                    *self.events.entry(id.to_owned()).or_default() += event.data["cents"].as_i64().unwrap_or_default();
                }
                format!("{id} change {}", change.seq)
            }
            TypedFact::State(wallet) => {
                self.cents.insert(id.to_owned(), wallet.cents);
                format!("{id} is {}", wallet.cents)
            }
            TypedFact::Gone => {
                self.cents.remove(id);
                format!("{id} gone")
            }
        };
        self.lines.push(line);
    }

    pub fn total(&self) -> i64 {
        self.cents.values().sum()
    }
}
