//! What the readers answer. Each is one statement, and so sees one moment.

/// Those of the rows of a statement, ordered by these columns, that begin within the bytes of a page, and how
/// many there were in a column behind all others. What a row has is asked before its texts are read.
macro_rules! measured {
    ($rows:literal, $size:literal, $order:literal) => {
        concat!(
            "SELECT * FROM (SELECT page.*, sum(",
            $size,
            ") OVER (ORDER BY ",
            $order,
            " ROWS UNBOUNDED PRECEDING) - (",
            $size,
            ") AS ahead, count(*) OVER () AS found FROM (",
            $rows,
            ") page) sized WHERE ahead <= 8388608 ORDER BY ",
            $order
        )
    };
}

/// What stands in the statements.
const _: () = assert!(abide_core::port::store::READ_BYTES == 8_388_608);

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
