use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use abide::store::{OpenError, SqliteOptions, SqliteStore};
use clap::Args;
use serde_json::json;

use crate::{
    config::format_size,
    copy::{copy, open_source, open_target, progress_bar, seal, sqlite_path, sync},
    failure::{Failure, Outcome},
    session::Session,
};

/// Make a SQLite store of a backup.
///
/// No node may be running on the store. The backup is checked before anything is replaced.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The backup, as `abide backup` wrote it.
    file: PathBuf,
    /// The store.
    #[arg(long, value_name = "URL", env = "ABIDE_STORE", default_value = "sqlite:data/abide.db")]
    store: String,
    /// Replace the store if it is there: what is in it now is lost.
    #[arg(long)]
    force: bool,
}

impl Restore {
    /// Copies the backup beside the store, opens it to check it, and puts it in place.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        let path = sqlite_path(&self.store)?;
        let source = open_source(&self.file)?;
        if path.exists() && !self.force {
            return Err(Failure::new("conflict", format!("{} is there already", path.display()))
                .hint("give another --store, or --force to replace what is in it"));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let _lock = lock(path)?;
        let fresh = beside(path, ".restoring");
        let restored = (|| -> Outcome<u64> {
            let bytes = {
                let mut target = open_target(&fresh)?;
                let bytes = copy(&source, &mut target, &progress_bar(output.is_json()))?;
                seal(&target, &fresh)?;
                bytes
            };
            drop(SqliteStore::open(&fresh, SqliteOptions { create: false, ..SqliteOptions::default() })?);
            put(&fresh, path)?;
            Ok(bytes)
        })();
        for leftover in ["", "-wal", "-shm", ".lock"] {
            let _ = fs::remove_file(beside(&fresh, leftover));
        }
        let bytes = restored?;
        sync(path)?;
        match output.is_json() {
            true => output.value(&json!({"store": self.store, "bytes": bytes})),
            false => output.line(format!("restored {} ({})", path.display(), format_size(bytes))),
        }
    }
}

/// Puts the checked copy in place: a new store is moved there, an old one is replaced in one transaction.
fn put(fresh: &Path, path: &Path) -> Outcome {
    if !path.exists() {
        return Ok(fs::rename(fresh, path)?);
    }
    let source = open_source(fresh)?;
    let mut target = open_target(path)?;
    copy(&source, &mut target, &progress_bar(true))?;
    Ok(())
}

/// Takes the lock that a node holds on its store.
fn lock(path: &Path) -> Outcome<File> {
    let lock = beside(path, ".lock");
    let file = File::options().write(true).create(true).truncate(false).open(&lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.into(), lock }.into()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
