use std::{
    fs::{self, File},
    path::Path,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::{fault::Result, open, options::SqliteOptions};
use crate::error::BackupError;

/// How many pages are copied between two reports of progress.
const STEP_PAGES: i32 = 1_024;

/// Copies the store at `from` into the new file `to`.
pub(super) fn backup(from: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists { path: to.into() });
    }
    let partial = open::beside(to, ".partial");
    let copied = copy(from, &partial, progress).and_then(|()| {
        let kept = keep(&partial, to);
        kept.map_err(|error| error.to_string())
    });
    copied.map_err(|why| {
        let _ = fs::remove_file(&partial);
        BackupError::Failed { path: to.into(), why }
    })
}

/// One read transaction over all of it: writers do not make the copy start over.
fn copy(from: &Path, partial: &Path, progress: impl FnMut(u64, u64)) -> Result<(), String> {
    let _ = fs::remove_file(partial);
    let source = open::reader(from, &SqliteOptions::default()).map_err(|error| error.to_string())?;
    let copied = || -> Result<(), rusqlite::Error> {
        let moment = source.unchecked_transaction()?;
        moment.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
        let mut target = Connection::open(partial)?;
        pages(&source, &mut target, progress)
    };
    copied().map_err(|error| error.to_string())
}

fn pages(
    source: &Connection,
    target: &mut Connection,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), rusqlite::Error> {
    let backup = Backup::new(source, target)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let pages = backup.progress();
        let total = u64::from(pages.pagecount.unsigned_abs());
        progress(total - u64::from(pages.remaining.unsigned_abs()), total);
        if step == StepResult::Done {
            return Ok(());
        }
    }
}

/// Makes the copy durable, then gives it its name.
fn keep(partial: &Path, to: &Path) -> std::io::Result<()> {
    File::options().write(true).open(partial)?.sync_all()?;
    fs::rename(partial, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) {
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
