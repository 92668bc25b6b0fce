use abide_core::{
    Store,
    port::store::{Row, Tally},
};

use super::{Progress, ROWS, TransferError};

/// What was copied.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    /// What it adds up to.
    pub tally: Tally,
    /// Whether all of it is of one moment.
    pub one_moment: bool,
}

/// Copies everything that is in one store into another one. The other one is to be empty, or `replace` says
/// that all that is in it is to go.
///
/// A copy that was broken off begins again when it is repeated, since the store it is from may have
/// changed: what is there of it goes without `replace`. A backup and a restore go on where they were.
///
/// # Errors
/// [`TransferError`] says which of the two failed. The target is then empty, as it was, or unfinished, which
/// no node takes for a store.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    replace: bool,
    mut progress: impl FnMut(Progress),
) -> Result<Copied, TransferError> {
    let (source, target) = (TransferError::Source, TransferError::Target);
    let mut export = from.export().await.map_err(source)?;
    let (ours, theirs) = (from.status().await.map_err(source)?, to.status().await.map_err(target)?);
    if ours.id == theirs.id {
        return Err(TransferError::Same { id: ours.id });
    }
    let name = format!("the {} store {}", ours.store, ours.id);
    let again = theirs.importing.is_some_and(|importing| importing.source.starts_with(&name));
    // Each copy has a name of its own, so that none goes on with another's rows.
    let name = format!("{name}, copied as {}", ulid::Ulid::generate());
    to.import_begin(name, replace || again).await.map_err(target)?;
    let mut tally = Tally::default();
    let mut page = export.next(ROWS).await.map_err(source)?;
    while !page.is_empty() {
        let before = tally.rows();
        add(&mut tally, &page);
        let (taken, next) = tokio::join!(to.import(before, page), export.next(ROWS));
        taken.map_err(target)?;
        page = next.map_err(source)?;
        progress(Progress::Moved { done: tally.rows(), total: export.total().max(tally.rows()) });
    }
    to.import_done(tally.rows()).await.map_err(target)?;
    Ok(Copied { tally, one_moment: export.of_one_moment() })
}

fn add(tally: &mut Tally, rows: &[Row]) {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.clear();
        row.write(&mut bytes);
        tally.add(row, &bytes);
    }
}
