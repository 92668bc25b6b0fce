//! So many permits in a window of time; an alarm opens the next window.

use std::fmt;

use abide::{duration::parse_duration, prelude::*};

/// The permits of one caller, address or whatever the object is named after.
#[derive(Debug, State)]
pub struct RateLimiter {
    /// Permits in a window.
    limit: u32,
    /// The length of a window, for example `1m`.
    window: String,
    /// Permits taken in this window.
    taken: u32,
    /// When this window ends; `None` while nothing was taken.
    resets_at: Option<Timestamp>,
}

/// What is left after a permit was taken.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// Permits left in this window.
    pub left: u32,
    /// When there are `limit` of them again.
    pub resets_at: Option<Timestamp>,
}

/// Too many permits were asked for. None was taken.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Limited {
    /// Permits left in this window.
    pub left: u32,
    /// When to ask again, in milliseconds from now.
    pub retry_after_ms: u64,
}

/// So many permits in a window of time.
///
/// A window begins with the first permit taken in it, and ends with an alarm: no clock is compared,
/// and a limiter that nobody asks costs nothing.
#[object(history = 100)]
impl RateLimiter {
    /// Sets how many permits there are in a window (such as `1m`) and begins a new one.
    #[handler]
    pub fn configure(&mut self, ctx: &mut Context, limit: u32, window: String) -> Result<()> {
        let length = parse_duration(&window).map_err(|e| Error::rejected(e.to_string()))?;
        if length.is_zero() {
            return Err(Error::rejected("a window of 0 never limits anything; write a length such as 1m"));
        }
        (self.limit, self.window) = (limit, window);
        self.open_window();
        ctx.alarm("next_window").cancel();
        Ok(())
    }

    /// Takes permits, 1 if nothing is said: all of them or none.
    #[handler]
    pub fn take(&mut self, ctx: &mut Context, #[arg(default = 1)] permits: u32) -> Result<Left, Limited> {
        if permits > self.left() {
            let retry_after_ms = self.resets_at.map_or(0, |at| milliseconds(ctx.now(), at));
            return Err(Limited { left: self.left(), retry_after_ms });
        }
        self.taken += permits;
        if self.resets_at.is_none() {
            ctx.alarm("next_window").after(self.window.as_str());
            self.resets_at = ctx.alarms().first().map(|alarm| alarm.due);
        }
        Ok(Left { left: self.left(), resets_at: self.resets_at })
    }

    /// What is left in this window.
    #[handler]
    pub fn get(&self) -> Left {
        Left { left: self.left(), resets_at: self.resets_at }
    }

    /// Ends the window.
    #[alarm]
    fn next_window(&mut self) {
        self.open_window();
    }

    fn open_window(&mut self) {
        (self.taken, self.resets_at) = (0, None);
    }

    fn left(&self) -> u32 {
        self.limit.saturating_sub(self.taken)
    }
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self { limit: 10, window: "1m".into(), taken: 0, resets_at: None }
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} permits are left; ask again in {} ms", self.left, self.retry_after_ms)
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use abide::testing;

    use super::*;

    #[test]
    fn a_window_gives_its_permits_once_and_the_alarm_opens_the_next() -> Result<()> {
        testing::run(|world| async move {
            let world = world.register::<RateLimiter>().start().await;
            let limiter = world.object::<RateLimiter>("203.0.113.7");
            limiter.configure(3, "1m".into()).await?;
            assert_eq!(limiter.take(2).await?.left, 1);
            world.advance("20s").await;
            let refusal = limiter.take(2).await.unwrap_err();
            assert_eq!(refusal.rejection(), Some(Limited { left: 1, retry_after_ms: 40_000 }));
            world.advance("39s").await;
            assert_eq!(limiter.get().await?.left, 1);
            world.advance("1s").await;
            assert_eq!(limiter.take(3).await?.left, 0);
            Ok(())
        })
    }

    #[test]
    fn a_window_ends_also_if_the_node_crashes_in_it() -> Result<()> {
        testing::run(|world| async move {
            let world = world.register::<RateLimiter>().start().await;
            assert_eq!(world.object::<RateLimiter>("x").take(10).await?.left, 0);
            world.crash_and_restart().await;
            assert!(world.object::<RateLimiter>("x").take(1).await.is_err());
            world.advance("1m").await;
            assert_eq!(world.object::<RateLimiter>("x").take(1).await?.left, 9);
            Ok(())
        })
    }

    #[test]
    fn a_new_limit_begins_a_new_window() -> Result<()> {
        testing::run(|world| async move {
            let world = world.register::<RateLimiter>().start().await;
            let limiter = world.object::<RateLimiter>("x");
            limiter.take(10).await?;
            limiter.configure(2, "1h".into()).await?;
            assert_eq!(limiter.get().await?, Left { left: 2, resets_at: None });
            limiter.take(2).await?;
            world.advance("59m").await;
            assert!(limiter.take(1).await.is_err());
            Ok(())
        })
    }

    #[test]
    fn a_window_that_is_no_duration_is_refused() -> Result<()> {
        testing::run(|world| async move {
            let world = world.register::<RateLimiter>().start().await;
            let limiter = world.object::<RateLimiter>("x");
            for window in ["soon", "0", ""] {
                assert!(limiter.configure(1, window.into()).await.is_err(), "{window:?}");
            }
            assert_eq!(limiter.get().await?.left, 10);
            Ok(())
        })
    }
}
