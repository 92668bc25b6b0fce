//! A store that is to be filled.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use abide::{
    Store,
    store::{OpenError, SqliteOptions, SqliteStore},
};

use crate::{
    failure::{Failure, Outcome},
    store_file::{self, beside},
};

/// Where rows go. A file is filled beside its place and put there when it is whole, so that what is in the
/// place stays until then; a server's store is filled where it is.
pub(crate) struct Target {
    pub(crate) store: Arc<dyn Store>,
    /// What `import` is told: whether all that is in `store` may go.
    pub(crate) replace: bool,
    file: Option<Fresh>,
}

/// A file on its way to its place.
struct Fresh {
    fresh: PathBuf,
    path: PathBuf,
    /// Whether it was begun by a command before this one.
    begun: bool,
    /// The lock that a node holds on its store.
    lock: File,
}

impl Target {
    /// Opens the store that the URL names, or makes it. What is in it is kept unless `replace` is given.
    pub(crate) async fn open(url: &str, replace: bool) -> Outcome<Self> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Self::file(store_file::path(url)?, replace).await,
            Some(("memory", _)) => Err(Failure::usage("a store in memory is gone with this command")
                .hint("name one that stays, for example sqlite:data/abide.db")),
            _ => Ok(Self { store: abide::store::open(url).await?, replace, file: None }),
        }
    }

    async fn file(path: &Path, replace: bool) -> Outcome<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let lock = lock(path)?;
        if !replace && path.exists() && holds(path).await? {
            return Err(Failure::new("conflict", format!("{} holds something already", path.display()))
                .hint("give another store, or --replace to replace all that is in it"));
        }
        let fresh = beside(path, ".restoring");
        let begun = fresh.exists();
        let store = Arc::new(SqliteStore::open(&fresh, SqliteOptions::default())?);
        let file = Some(Fresh { fresh, path: path.into(), begun, lock });
        // Nobody else fills this file: what is in it from another backup may go.
        Ok(Self { store, replace: true, file })
    }

    /// Puts a file that is whole in its place.
    pub(crate) async fn finish(self) -> Outcome {
        self.store.close().await;
        match &self.file {
            Some(file) => file.put(),
            None => Ok(()),
        }
    }

    /// After a failure: whether what is there of the store stays to be gone on with.
    pub(crate) async fn give_up(self) -> bool {
        let begun = self.store.status().await.is_ok_and(|status| status.importing.is_some());
        self.store.close().await;
        if let Some(file) = self.file.filter(|file| !begun && !file.begun) {
            file.remove();
        }
        begun
    }
}

impl Fresh {
    /// An old store's log belongs to the old file: it goes before the new one has the name.
    fn put(&self) -> Outcome {
        for log in ["-wal", "-shm"] {
            match fs::remove_file(beside(&self.path, log)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        fs::rename(&self.fresh, &self.path)?;
        self.remove();
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(self.lock.unlock()?)
    }

    fn remove(&self) {
        for leftover in ["", "-wal", "-shm", ".lock"] {
            let _ = fs::remove_file(beside(&self.fresh, leftover));
        }
    }
}

/// Whether there is anything in a store that nobody has open.
async fn holds(path: &Path) -> Outcome<bool> {
    let options = SqliteOptions { create: false, exclusive: false, ..SqliteOptions::default() };
    let store = SqliteStore::open(path, options)
        .map_err(|error| Failure::from(error).hint("move that file away, or give --replace to replace it"))?;
    let holds = match store.export().await {
        Ok(mut rows) => !rows.next(1).await?.is_empty(),
        // What is not whole is something, too.
        Err(_) => true,
    };
    store.close().await;
    Ok(holds)
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
