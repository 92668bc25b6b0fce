//! The example of the manual.
#![deny(warnings, missing_docs, unreachable_pub)]

use abide::prelude::*;

#[derive(State, Default)]
struct Counter {
    count: i64,
    last_incremented_at: Option<Timestamp>,
}

#[object(hibernate_after = "5m", shutdown_after = "1h", history = 1000)]
impl Counter {
    #[handler]
    fn increment(&mut self, ctx: &mut Context, amount: i64) -> i64 {
        self.count += amount;
        self.last_incremented_at = Some(ctx.now());
        self.count
    }
    #[handler]
    fn get(&self) -> i64 {
        self.count
    }
    #[handler]
    async fn reset(&mut self) -> Result<()> {
        self.count = 0;
        Ok(())
    }
    #[alarm]
    async fn reset_window(&mut self, ctx: &mut Context) {
        self.count = 0;
        ctx.alarm("reset_window").after("1m");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> abide::Result<()> {
    let abide = Abide::open("memory:").register::<Counter>().start().await?;
    let counter = abide.object::<Counter>("user-123");
    assert_eq!(counter.increment(5).await?, 5);
    let n: i64 = abide.call("Counter", "user-123", "increment", json!({"amount": 5})).await?;
    assert_eq!(n, 10);
    assert_eq!(counter.increment(1).key("order-77").timeout("2s").await?, 11);
    counter.reset().await?;
    assert_eq!(counter.get().await?, 0);
    Ok(())
}
