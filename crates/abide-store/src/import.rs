//! What all stores say about imports.

use abide_core::{
    ChangeRecord, Key, Seq, StoreError,
    port::store::{Importing, Row},
};

/// A store that only a part of another is in.
pub(crate) fn unfinished(importing: &Importing) -> StoreError {
    StoreError::Unsupported(format!("the store is not whole: {}", part(importing)))
}

/// The same, as `verify` finds it.
pub(crate) fn fault(importing: &Importing) -> String {
    format!("the store is not whole: {}", part(importing))
}

/// A store that would lose what it has.
pub(crate) fn not_empty() -> StoreError {
    StoreError::Unsupported(
        "the store holds something already: restore into an empty one, or say that all of it is to be replaced".into(),
    )
}

/// A store that something else is being restored into.
pub(crate) fn another(importing: &Importing) -> StoreError {
    StoreError::Unsupported(format!(
        "the store holds a part of something else: {}, or say that all of it is to be replaced",
        part(importing)
    ))
}

/// Rows for a store that expects none.
pub(crate) fn not_begun() -> StoreError {
    StoreError::Unsupported("rows came without the beginning of an import".into())
}

/// Rows that a server had and has no more.
pub(crate) fn lost() -> StoreError {
    StoreError::Unsupported(
        "rows that were in are gone: a server lost its last writes; begin the import once more, and it begins again"
            .into(),
    )
}

/// A row of an object that is not there.
pub(crate) fn without_object(key: &Key) -> StoreError {
    StoreError::Unsupported(format!("the rows to import are out of order: {key} is not among those before"))
}

/// The rows that are not in yet, where `done` are in.
pub(crate) fn fresh(done: u64, from: u64, rows: Vec<Row>) -> Result<impl Iterator<Item = Row>, StoreError> {
    match done.checked_sub(from) {
        Some(known) => Ok(rows.into_iter().skip(usize::try_from(known).unwrap_or(usize::MAX))),
        None => Err(StoreError::Unsupported(format!(
            "rows to import are missing: {done} are in, those given begin after {from}"
        ))),
    }
}

/// Refuses a change that does not follow the last one.
pub(crate) fn follows(key: &Key, last: Seq, head: Seq, change: &ChangeRecord) -> Result<(), StoreError> {
    if change.seq == last.next() && change.seq <= head {
        return Ok(());
    }
    Err(StoreError::Unsupported(format!(
        "the rows to import are out of order: {key} has its change {last}, and {} comes next, where its head is {head}",
        change.seq
    )))
}

/// An end that comes when not all rows are in, or too many.
pub(crate) fn miscounted(importing: &Importing, rows: u64) -> StoreError {
    StoreError::Unsupported(format!("{} rows are in, where there should be {rows}", importing.rows))
}

/// An object whose changes do not lead to its head, when all rows are in.
pub(crate) fn cut_short(key: &Key, last: Seq, head: Seq) -> StoreError {
    StoreError::Unsupported(format!(
        "the rows to import are not whole: {key} has its change {last}, its head is {head}"
    ))
}

fn part(importing: &Importing) -> String {
    let Importing { source, rows } = importing;
    format!("{rows} rows of {source} are in, and more are to come; repeat the command that began it, and it goes on")
}
