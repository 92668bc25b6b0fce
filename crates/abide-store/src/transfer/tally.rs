use abide_core::{Store, StoreError, port::store::Tally};

use super::{Progress, ROWS};

/// Counts all rows of a store and takes their digest: two stores that hold the same have the same, of
/// whatever sort they are.
///
/// # Errors
/// What the store says.
pub async fn tally(store: &dyn Store, mut progress: impl FnMut(Progress)) -> Result<Tally, StoreError> {
    let mut export = store.export().await?;
    let (mut tally, mut bytes) = (Tally::default(), Vec::new());
    loop {
        let page = export.next(ROWS).await?;
        if page.is_empty() {
            return Ok(tally);
        }
        for row in &page {
            bytes.clear();
            row.write(&mut bytes);
            tally.add(row, &bytes);
        }
        progress(Progress::Moved { done: tally.rows(), total: export.total().max(tally.rows()) });
    }
}
