//! Cron expressions in a time zone.

use std::fmt;
use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The longest cron expression that is looked at, in bytes.
const EXPR_BYTES_MAX: usize = 256;

/// The longest time zone name that is looked at, in bytes.
const ZONE_BYTES_MAX: usize = 64;

/// When a wall clock shows certain times: a cron expression in an IANA time zone.
///
/// The expression has five fields (minute, hour, day of month, month, day of week), or six with
/// seconds in front, or is one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`,
/// `@yearly`, `@annually`. Fields take `*`, lists, ranges, steps, `JAN`–`DEC`, `MON`–`SUN`, and
/// `L`, `W` and `#` for last days, nearest weekdays and n-th weekdays. As in Vixie cron, when both
/// day fields are restricted a day that fits either of them fits.
///
/// # Daylight saving
/// An expression that names fixed times (its hours and minutes hold no `*` and no step) fires
/// **once** for each of them: a time that happens twice fires at the first, and a time that is
/// skipped fires at the first moment after the gap. An expression that repeats within the day
/// (`*/5 * * * *`) follows elapsed time instead: it fires through both halves of a repeated hour
/// and has nothing to fire in a skipped one.
///
/// Zones come from the database compiled into the program, so that every node and every
/// simulation agrees on them whatever its machine has installed.
///
/// Cloning is cheap (one reference count).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct CronExpr(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    expr: String,
    zone: TimeZone,
    zone_name: String,
    cron: Cron,
}

/// Why a text is not a cron expression, or names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// The expression cannot be read.
    #[error(
        "{expr:?} is not a cron expression: {reason}; write five fields like \"0 9 * * MON-FRI\" \
         (minute hour day month weekday), six with seconds in front, or a name like @hourly"
    )]
    Malformed {
        /// The expression as it was given, shortened when it is very long.
        expr: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expression can be read, but no date fits it (`0 0 30 2 *`).
    #[error("{expr:?} never fires: no date fits it")]
    Never {
        /// The expression as it was given.
        expr: String,
    },
    /// The time zone is not in the IANA database.
    #[error("{zone:?} is not a time zone; write an IANA name like Europe/Berlin, or UTC")]
    UnknownZone {
        /// The zone as it was given, shortened when it is very long.
        zone: String,
    },
}

impl CronExpr {
    /// Reads an expression, to be understood in the time zone with that IANA name.
    ///
    /// # Errors
    /// [`CronError`] when the expression cannot be read or fits no date, or the zone is unknown.
    pub fn parse(expr: &str, zone: &str) -> Result<Self, CronError> {
        let cron = parse_expr(expr)?;
        let zone = parse_zone(zone)?;
        let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();
        let parts = Parts { expr: expr.trim().to_owned(), zone, zone_name, cron };
        let parsed = Self(Arc::new(parts));
        match parsed.next_after(Timestamp::EPOCH) {
            Some(_) => Ok(parsed),
            None => Err(CronError::Never { expr: parsed.expr().to_owned() }),
        }
    }

    /// The first moment strictly after `after` at which the expression fires, in whole seconds;
    /// `None` when the calendar ends before it fires again.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        // The search works on whole seconds, so it starts at the second `after` lies in.
        let second = after.as_millis().div_euclid(1000);
        let start = jiff::Timestamp::from_second(second).ok()?;
        let start = Zoned::new(start, self.0.zone.clone());
        let next = self.0.cron.find_next_occurrence(&start, false).ok()?;
        let next = Timestamp::from_millis(next.timestamp().as_millisecond());
        (next > after).then_some(next)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn expr(&self) -> &str {
        &self.0.expr
    }

    /// The IANA name of the time zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.0.zone_name
    }

    /// What the expression means, in an English sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        self.0.cron.describe()
    }
}

impl fmt::Debug for CronExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpr({self})")
    }
}

impl fmt::Display for CronExpr {
    /// `0 9 * * MON-FRI in Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.expr(), self.zone())
    }
}

/// The stored form: `{"expr": "0 9 * * *", "tz": "Europe/Berlin"}`.
#[derive(Serialize, Deserialize)]
struct Stored {
    expr: String,
    #[serde(default = "utc")]
    tz: String,
}

impl From<CronExpr> for Stored {
    fn from(cron: CronExpr) -> Self {
        Self { expr: cron.expr().to_owned(), tz: cron.zone().to_owned() }
    }
}

impl TryFrom<Stored> for CronExpr {
    type Error = CronError;

    fn try_from(stored: Stored) -> Result<Self, CronError> {
        Self::parse(&stored.expr, &stored.tz)
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

fn parse_expr(expr: &str) -> Result<Cron, CronError> {
    let malformed = |reason: String| CronError::Malformed { expr: expr.chars().take(EXPR_BYTES_MAX).collect(), reason };
    let text = expr.trim();
    if text.len() > EXPR_BYTES_MAX {
        return Err(malformed(format!("it is longer than {EXPR_BYTES_MAX} bytes")));
    }
    if !text.is_ascii() {
        return Err(malformed("it holds a character that is not ASCII".to_owned()));
    }
    // A field of empty items fits no moment, and looking for one would go through every second there is.
    if text.split_ascii_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        return Err(malformed("a list has nothing between its commas".to_owned()));
    }
    let text = if text.eq_ignore_ascii_case("@midnight") { "@daily" } else { text };
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| malformed(error.to_string().trim_end_matches('.').to_owned()))
}

fn parse_zone(zone: &str) -> Result<TimeZone, CronError> {
    let unknown = || CronError::UnknownZone { zone: zone.chars().take(ZONE_BYTES_MAX).collect() };
    if zone.len() > ZONE_BYTES_MAX {
        return Err(unknown());
    }
    if zone.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled().get(zone).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_with_nothing_between_its_commas_is_refused_at_once() {
        for expr in [", * * * *", "0,,5 * * * *", "0 9, * * *", "* * * * MON,", ",, * * * * *"] {
            let error = CronExpr::parse(expr, "UTC").unwrap_err();
            assert!(error.to_string().contains("nothing between its commas"), "{expr}: {error}");
        }
    }

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().expect("the test's time is RFC 3339");
        Timestamp::from_millis(instant.as_millisecond())
    }

    fn cron(expr: &str, zone: &str) -> CronExpr {
        CronExpr::parse(expr, zone).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Checks that the expression fires at exactly these moments after `after`.
    fn check(expr: &str, zone: &str, after: &str, expected: &[&str]) {
        let cron = cron(expr, zone);
        let mut now = at(after);
        for expected in expected {
            let next = cron.next_after(now).expect("it fires again");
            assert_eq!(next, at(expected), "{cron} after {}", now.as_millis());
            now = next;
        }
    }

    #[test]
    fn five_fields_are_minutes_to_weekdays() {
        check("30 9 * * MON-FRI", "UTC", "2026-01-02T09:30:00Z", &["2026-01-05T09:30:00Z", "2026-01-06T09:30:00Z"]);
    }

    #[test]
    fn six_fields_start_with_seconds() {
        check("*/20 0 12 * * *", "UTC", "2026-01-02T12:00:20.500Z", &["2026-01-02T12:00:40Z", "2026-01-03T12:00:00Z"]);
    }

    #[test]
    fn the_usual_names_are_known() {
        for (name, expected) in [
            ("@hourly", "2026-01-02T04:00:00Z"),
            ("@daily", "2026-01-03T00:00:00Z"),
            ("@midnight", "2026-01-03T00:00:00Z"),
            ("@weekly", "2026-01-04T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
            ("@ANNUALLY", "2027-01-01T00:00:00Z"),
        ] {
            check(name, "UTC", "2026-01-02T03:04:05.678Z", &[expected]);
        }
    }

    #[test]
    fn a_zone_moves_the_wall_clock() {
        check("0 9 * * *", "Asia/Kolkata", "2026-01-02T00:00:00Z", &["2026-01-02T03:30:00Z"]);
        check("0 9 * * *", "America/New_York", "2026-07-02T00:00:00Z", &["2026-07-02T13:00:00Z"]);
    }

    #[test]
    fn a_time_in_a_gap_fires_once_at_its_end() {
        // In Berlin 02:00 becomes 03:00 at 2026-03-29T01:00:00Z.
        check("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_happens_twice_fires_at_the_first() {
        // In Berlin 03:00 becomes 02:00 at 2026-10-25T01:00:00Z.
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        check("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", &["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn a_repeating_expression_follows_elapsed_time_through_a_change_of_clock() {
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
        );
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"],
        );
    }

    #[test]
    fn the_leap_day_is_waited_for() {
        check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_an_example() {
        for expr in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "@sometimes",
            "@reboot",
            "a b c d e",
            "*/0 * * * *",
            "5-1 * * * *",
            "* * * * * * 2030",
            "0 9 * * ☃",
        ] {
            let error = CronExpr::parse(expr, "UTC").expect_err(expr);
            assert!(matches!(error, CronError::Malformed { .. }), "{expr:?}: {error}");
            assert!(error.to_string().contains("MON-FRI"));
        }
        assert!(CronExpr::parse(&"*".repeat(300), "UTC").is_err());
    }

    #[test]
    fn a_date_that_never_comes_is_refused() {
        let expr = "0 0 30 2 *".to_owned();
        assert_eq!(CronExpr::parse(&expr, "UTC"), Err(CronError::Never { expr }));
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        for zone in ["", "Mars/Olympus", "../../etc/passwd", "Local"] {
            let error = CronExpr::parse("@daily", zone).expect_err(zone);
            assert!(matches!(error, CronError::UnknownZone { .. }), "{zone:?}");
        }
    }

    #[test]
    fn it_is_stored_as_expression_and_zone() {
        let cron = cron("0 9 * * MON", "europe/berlin");
        let json = serde_json::to_string(&cron).unwrap();
        assert_eq!(json, r#"{"expr":"0 9 * * MON","tz":"Europe/Berlin"}"#);
        assert_eq!(serde_json::from_str::<CronExpr>(&json).unwrap(), cron);
        assert!(serde_json::from_str::<CronExpr>(r#"{"expr":"never"}"#).is_err());
    }

    #[test]
    fn the_end_of_the_calendar_is_no_error() {
        let cron = cron("@daily", "UTC");
        assert_eq!(cron.next_after(Timestamp::from_millis(i64::MAX)), None);
        assert!(cron.next_after(at("2026-01-01T00:00:00Z")).is_some());
    }

    proptest! {
        #[test]
        fn the_next_moment_is_later_and_nothing_fires_between(
            minute in 0..60u32,
            hour in 0..24u32,
            start in 1_700_000_000_000..1_900_000_000_000i64,
            gap in 0..86_400_000i64,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
        ) {
            let cron = cron(&format!("{minute} {hour} * * *"), zone);
            let start = Timestamp::from_millis(start);
            let next = cron.next_after(start).expect("daily fires again");
            prop_assert!(next > start);
            prop_assert!(next.as_millis() - start.as_millis() <= 26 * 3_600_000);
            let between = Timestamp::from_millis((start.as_millis() + gap).min(next.as_millis() - 1));
            prop_assert_eq!(cron.next_after(between), Some(next));
        }

        #[test]
        fn no_text_makes_the_parser_panic(
            expr in "[-0-9*/,#LW? A-Z@+]{0,24}|.{0,40}",
            zone in "[A-Za-z/_]{0,20}|.{0,10}",
        ) {
            let _ = CronExpr::parse(&expr, &zone);
            let _ = CronExpr::parse(&expr, "UTC");
        }
    }
}
