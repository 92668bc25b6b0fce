//! Moving: all that a store holds, out of it and into it.

mod begin;
mod export;
mod import;
mod place;

use abide_core::{StoreError, port::store::Importing};

use super::{names::Names, read, reply, writer::Shared};
use crate::import as said;

pub(super) use begin::begin;
pub(super) use export::export;
pub(super) use import::{done, import};

/// An import that is under way.
pub(super) struct Underway {
    pub(super) importing: Importing,
    /// Tells it from every other.
    id: String,
    /// Whether everything from before is gone.
    cleared: bool,
    /// Of each part, the number behind the last page that brought it rows.
    reached: Vec<u64>,
}

/// The field of the store's meta that holds what a part has reached.
fn reached(part: u32) -> String {
    format!("imported:{part}")
}

/// The import that is under way, if there is one.
pub(super) async fn underway(shared: &Shared) -> Result<Option<Underway>, StoreError> {
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut get = redis::cmd("HMGET");
    get.arg(meta).arg(&["import", "importing", "imported", "cleared"]);
    for part in 0..shared.names.parts {
        get.arg(reached(part));
    }
    let [found] = read::all(shared, [(slot, get)]).await?;
    let mut found = reply::list(found)?.into_iter().map(reply::maybe);
    let mut next = || found.next().unwrap_or(Ok(None));
    let (id, source, rows, cleared) = (next()?, next()?, next()?, next()?);
    let (Some(id), Some(source)) = (id, source) else { return Ok(None) };
    let number = |found: Option<String>| found.map_or(Ok(0), |found| reply::digits(&found));
    let rows = number(rows)?;
    let reached = (0..shared.names.parts).map(|_| number(next()?)).collect::<Result<_, StoreError>>()?;
    let cleared = cleared.is_some();
    Ok(Some(Underway { importing: Importing { source, rows }, id, cleared, reached }))
}

/// Refuses what needs all of a store while only a part is there.
pub(super) async fn whole(shared: &Shared) -> Result<(), StoreError> {
    underway(shared).await?.map_or(Ok(()), |underway| Err(said::unfinished(&underway.importing)))
}
