//! What a program sees of its objects, on one node.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods, reason = "tests")]

mod alarms;
mod calls;
mod life;
mod limits;
mod messages;
mod mishaps;
mod principals;
mod repeated;
mod stuck;
mod transactions;
mod unstored;
mod watching;

use abide::prelude::*;

#[derive(State, Default)]
pub struct Counter {
    count: i64,
    last_incremented_at: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct TooLow {
    missing: i64,
}

impl std::fmt::Display for TooLow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} are missing", self.missing)
    }
}

#[object(history = 8)]
impl Counter {
    #[handler]
    pub fn increment(&mut self, ctx: &mut Context, amount: i64) -> i64 {
        self.count += amount;
        self.last_incremented_at = Some(ctx.now());
        self.count
    }

    #[handler]
    pub fn get(&self) -> i64 {
        self.count
    }

    #[handler]
    pub fn take(&mut self, amount: i64) -> Result<i64, TooLow> {
        self.count -= amount;
        if self.count < 0 { Err(TooLow { missing: -self.count }) } else { Ok(self.count) }
    }

    #[handler]
    pub async fn slow_add(&mut self, amount: i64, millis: u64) -> i64 {
        self.count += amount;
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        self.count += amount;
        self.count
    }

    #[handler]
    pub async fn slow_get(&self, millis: u64) -> i64 {
        let before = self.count;
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        assert_eq!(before, self.count);
        before
    }

    #[handler]
    pub fn crash(&mut self) {
        self.count = 1_000_000;
        panic!("on purpose");
    }

    #[handler]
    pub async fn never(&mut self) {
        self.count = -5;
        std::future::pending::<()>().await;
    }
}

pub async fn memory() -> Abide {
    Abide::open("memory:").register::<Counter>().start().await.unwrap()
}
