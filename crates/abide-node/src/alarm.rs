//! Setting alarms from a handler.

use std::sync::Arc;

use abide_core::{Json, Timestamp, duration::parse_duration, schedule::Schedule};
use serde::Serialize;

use crate::context::Context;

/// An alarm about to be set: say when.
///
/// A wrong duration, time zone or cron expression is a mistake in the program: it panics, and the
/// turn is rolled back.
#[must_use = "an alarm is set by `.after(…)`, `.at(…)`, `.every(…)` or `.cron(…)`"]
pub struct AlarmBuilder<'a> {
    ctx: &'a mut Context,
    name: Arc<str>,
    payload: Json,
}

impl<'a> AlarmBuilder<'a> {
    pub(crate) fn new(ctx: &'a mut Context, name: Arc<str>) -> Self {
        Self { ctx, name, payload: Json::null() }
    }

    /// What the handler is given when it fires. If it cannot be written as JSON (NaN cannot), the turn panics,
    /// fails, and changes nothing.
    pub fn payload(mut self, payload: impl Serialize) -> Self {
        self.payload =
            Json::of(&payload).unwrap_or_else(|e| panic!("the payload of alarm {} is not JSON: {e}", self.name));
        self
    }

    /// Fires once, this long from now: `"90s"`, `"1h30m"`, or a `std::time::Duration`.
    pub fn after(self, delay: impl Into<Delay>) {
        let due = self.ctx.now().plus(delay.into().0);
        self.ctx.set_alarm(self.name, due, None, self.payload);
    }

    /// Fires once, at this time; at once if it is past.
    pub fn at(self, due: Timestamp) {
        self.ctx.set_alarm(self.name, due, None, self.payload);
    }

    /// Fires again and again with this period, first after one period.
    pub fn every(self, period: impl Into<Delay>) {
        let schedule =
            Schedule::every(period.into().0, self.ctx.now()).unwrap_or_else(|e| panic!("alarm {}: {e}", self.name));
        self.repeat(schedule);
    }

    /// Fires at the times of a cron expression in a time zone: `.cron("30 9 * * MON-FRI", "Europe/Berlin")`.
    pub fn cron(self, expression: &str, time_zone: &str) {
        let schedule = Schedule::cron(expression, time_zone).unwrap_or_else(|e| panic!("alarm {}: {e}", self.name));
        self.repeat(schedule);
    }

    fn repeat(self, schedule: Schedule) {
        match schedule.next_after(self.ctx.now()) {
            Some(due) => self.ctx.set_alarm(self.name, due, Some(schedule), self.payload),
            None => self.ctx.cancel_alarm(self.name),
        }
    }

    /// Removes the alarm, if it is set.
    pub fn cancel(self) {
        self.ctx.cancel_alarm(self.name);
    }
}

/// A length of time: a `Duration`, or text such as `"1h30m"`.
#[derive(Clone, Copy, Debug)]
pub struct Delay(pub std::time::Duration);

impl From<std::time::Duration> for Delay {
    fn from(duration: std::time::Duration) -> Self {
        Self(duration)
    }
}

impl From<&str> for Delay {
    fn from(text: &str) -> Self {
        Self(parse_duration(text).unwrap_or_else(|error| panic!("{error}")))
    }
}
