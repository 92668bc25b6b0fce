use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use abide::{
    Store,
    store::{OpenError, SqliteOptions, SqliteStore},
};
use clap::Args;
use serde_json::json;

use crate::{
    config::format_size,
    failure::{Failure, Outcome},
    session::Session,
    store_file::{self, beside},
};

/// Make a SQLite store of a backup.
///
/// No node may be running on the store. The backup is checked before anything is replaced.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The backup, as `abide backup` wrote it.
    file: PathBuf,
    /// The store.
    #[arg(long, value_name = "URL", env = "ABIDE_STORE", default_value = store_file::DEFAULT)]
    store: String,
    /// Replace the store if it is there: what is in it now is lost.
    #[arg(long)]
    force: bool,
}

impl Restore {
    /// Copies the backup beside the store, checks it as a store, and puts it in place.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let output = &session.output;
        let path = store_file::path(&self.store)?;
        if path.exists() && !self.force {
            return Err(Failure::new("conflict", format!("{} is there already", path.display()))
                .hint("give another --store, or --force to replace what is in it"));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        drop(lock(path)?);
        let fresh = beside(path, ".restoring");
        let restored = async {
            let bytes = self.copy(&fresh, output.is_json())?;
            check(&fresh).await?;
            put(&fresh, path)?;
            Ok(bytes)
        };
        let restored: Outcome<u64> = restored.await;
        for leftover in ["", "-wal", "-shm", ".lock"] {
            let _ = fs::remove_file(beside(&fresh, leftover));
        }
        let bytes = restored?;
        match output.is_json() {
            true => output.value(&json!({"store": self.store, "bytes": bytes})),
            false => output.line(format!("restored {} ({})", path.display(), format_size(bytes))),
        }
    }

    /// Copies the backup, so that checking it leaves it as it is.
    fn copy(&self, fresh: &Path, hidden: bool) -> Outcome<u64> {
        let unreadable =
            |error: io::Error| Failure::new("io", format!("{} cannot be read: {error}", self.file.display()));
        let source = File::open(&self.file).map_err(unreadable)?;
        let bar = store_file::progress_bar(hidden, "{bar:40} {bytes} of {total_bytes}, {eta} left");
        bar.set_length(source.metadata().map_err(unreadable)?.len());
        let mut target = File::create(fresh)?;
        let bytes = io::copy(&mut bar.wrap_read(source), &mut target)?;
        bar.finish_and_clear();
        target.sync_all()?;
        Ok(bytes)
    }
}

async fn check(fresh: &Path) -> Outcome {
    let store = SqliteStore::open(fresh, SqliteOptions { create: false, ..SqliteOptions::default() })
        .map_err(|error| Failure::from(error).hint("nothing was replaced"))?;
    match store.verify(1).await?.first() {
        None => Ok(()),
        Some(fault) => Err(Failure::new("damaged", format!("the backup is damaged: {fault}; nothing was replaced"))),
    }
}

/// Moves the checked copy to its place. An old store's log is first worked into its file, so that what
/// is left beside the new one is never taken for a part of it.
fn put(fresh: &Path, path: &Path) -> Outcome {
    if path.exists() {
        match store_file::open(path, true) {
            Ok(old) => drop(old),
            Err(failure) => tracing::warn!(%failure, "the old store cannot be opened; it is replaced all the same"),
        }
    }
    let _lock = lock(path)?;
    for log in ["-wal", "-shm"] {
        match fs::remove_file(beside(path, log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    fs::rename(fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
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
