//! The first object: a durable counter, served over HTTP.
//!
//! The code below is the example of the README, to the letter.
#![allow(missing_docs, unused_mut, unused_variables, reason = "an example is read, not linked to")]

use abide::prelude::*;

#[rustfmt::skip]
#[derive(State, Default)]
struct Counter { count: i64, last_incremented_at: Option<Timestamp> }

#[rustfmt::skip]
#[object(hibernate_after = "5m", shutdown_after = "1h", history = 1000)]
impl Counter {
    #[handler]                                  // exclusive turn
    fn increment(&mut self, ctx: &mut Context, amount: i64) -> i64 {
        self.count += amount;
        self.last_incremented_at = Some(ctx.now());
        self.count
    }
    #[handler] fn get(&self) -> i64 { self.count }          // &self: reads, runs concurrently
    #[handler] async fn reset(&mut self) -> Result<()> { self.count = 0; Ok(()) }
    #[alarm]   async fn reset_window(&mut self, ctx: &mut Context) { self.count = 0; ctx.alarm("reset_window").after("1m"); }
}

#[rustfmt::skip]
#[tokio::main]
async fn main() -> abide::Result<()> {
    let abide = Abide::open("sqlite:counter.db").register::<Counter>().start().await?;
    let counter = abide.object::<Counter>("user-123");       // no I/O: objects exist by being named
    let n = counter.increment(5).await?;                     // typed, generated
    let n: i64 = abide.call("Counter", "user-123", "increment", json!({"amount": 5})).await?;   // generic
    let mut changes = counter.changes(After::Now).await?;    // stream of field patches
    counter.increment(1).key("order-77").timeout("2s").await?;   // exactly once, with a deadline
    abide.serve("127.0.0.1:7070").await
}
