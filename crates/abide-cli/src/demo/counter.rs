//! A number that is never forgotten: the smallest useful object.

use abide::prelude::*;

/// How often something happened, and when it last did.
#[derive(Debug, Default, State)]
pub struct Counter {
    count: i64,
    last_incremented_at: Option<Timestamp>,
}

/// A number that survives crashes and can be watched while it changes.
#[object(hibernate_after = "5m", shutdown_after = "1h", history = 1000)]
impl Counter {
    /// Adds `amount`, 1 if nothing is said, and answers with the new count.
    #[handler]
    pub fn increment(&mut self, ctx: &mut Context, #[arg(default = 1)] amount: i64) -> Result<i64> {
        let sum = self.count.checked_add(amount);
        self.count = sum.ok_or_else(|| Error::rejected("the count would be too large; it stays as it is"))?;
        self.last_incremented_at = Some(ctx.now());
        Ok(self.count)
    }

    /// The count.
    #[handler]
    pub fn get(&self) -> i64 {
        self.count
    }

    /// Sets the count back to 0.
    #[handler]
    pub fn reset(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use abide::Code;

    use super::*;

    #[tokio::test]
    async fn a_counter_counts_from_zero_and_starts_again() -> Result<()> {
        let abide = Abide::open("memory:").register::<Counter>().start().await?;
        let visits = abide.object::<Counter>("visits");
        assert_eq!(visits.get().await?, 0);
        assert_eq!(visits.increment(5).await?, 5);
        assert_eq!(abide.call::<i64>("Counter", "visits", "increment", json!({})).await?, 6);
        visits.reset().await?;
        assert_eq!(visits.get().await?, 0);
        Ok(())
    }

    #[tokio::test]
    async fn a_count_that_would_not_fit_is_refused_and_stays() -> Result<()> {
        let abide = Abide::open("memory:").register::<Counter>().start().await?;
        let full = abide.object::<Counter>("full");
        full.increment(i64::MAX).await?;
        assert_eq!(full.increment(1).await.unwrap_err().code(), Code::Rejected);
        assert_eq!(full.get().await?, i64::MAX);
        Ok(())
    }
}
