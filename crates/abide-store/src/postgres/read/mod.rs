//! What the readers answer. Each is one statement, and so sees one moment.

pub(super) mod alarms;
pub(super) mod feed;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod objects;
pub(super) mod status;

/// A limit as PostgreSQL takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A number as PostgreSQL takes it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
