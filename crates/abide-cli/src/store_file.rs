//! A store, from the outside; and the file of one in SQLite.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use abide::{
    Store,
    store::{SqliteOptions, SqliteStore},
};

use crate::failure::{Failure, Outcome};

/// The store that a node has if nothing else is said.
pub(crate) const DEFAULT: &str = "sqlite:data/abide.db";

/// The file of a `sqlite:` URL.
pub(crate) fn path(url: &str) -> Outcome<&Path> {
    match url.split_once(':') {
        Some(("sqlite", rest)) if !rest.is_empty() && rest != ":memory:" => {
            Ok(Path::new(rest.strip_prefix("//").unwrap_or(rest)))
        }
        _ => Err(Failure::usage(format!("{url:?} is not a store with a file"))
            .hint("this command looks after SQLite stores: write for example sqlite:data/abide.db")),
    }
}

/// Opens any store that is there to look at it, beside a node that may be running on it.
pub(crate) async fn look(url: &str) -> Outcome<Arc<dyn Store>> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(Arc::new(open(path(url)?, false)?)),
        Some(("memory", _)) => Err(Failure::usage("a store in memory is seen by its own process only")
            .hint("ask the node that has it: `abide ls KIND`, `abide alarms`, or its /metrics")),
        _ => Ok(abide::store::open_existing(url).await?),
    }
}

/// Opens a store that is there: alone, or beside a node that may be running on it.
pub(crate) fn open(path: &Path, alone: bool) -> Outcome<SqliteStore> {
    if !path.exists() {
        return Err(Failure::new("not_found", format!("there is no store {}", path.display()))
            .hint("`abide store init` creates one; so does `abide serve`"));
    }
    let options = SqliteOptions { create: false, exclusive: alone, ..SqliteOptions::default() };
    Ok(SqliteStore::open(path, options)?)
}

/// The path with something added to its last name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
