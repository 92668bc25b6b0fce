use std::{
    fs::{self, File, TryLockError},
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

use super::TransferError;
use crate::archive::ArchiveError;

/// How often a file is taken that others have named or removed meanwhile.
const TRIES: usize = 16;

/// A file that is not yet what it is to be: beside its place, with `.partial` after its name, and locked, so
/// that nobody else writes into it. What a process left there that ended is taken over. Gone when this is
/// dropped, unless it has got its name.
pub(super) struct Partial {
    to: PathBuf,
    path: PathBuf,
    file: File,
    named: bool,
}

impl Partial {
    /// Takes it, empty.
    pub(super) fn take(to: &Path) -> Result<Self, TransferError> {
        let failed = |error: Error| failed(to, &error);
        fs::create_dir_all(folder(to)).map_err(failed)?;
        let mut name = to.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        for _ in 0..TRIES {
            let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                // Not every file system has locks; a backup is worth more than none.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(%error, "{} cannot be locked: make one backup to it at a time", path.display());
                }
            }
            // Whoever had it may have given it its name, or removed it, before the lock was free.
            if is_at(&file, &path).map_err(failed)? {
                file.set_len(0).map_err(failed)?;
                return Ok(Self { to: to.into(), path, file, named: false });
            }
        }
        Err(TransferError::Busy { path: to.into() })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Makes it durable and gives it its name; what has that name goes only if it is to be replaced.
    pub(super) fn keep(mut self, replace: bool) -> Result<u64, TransferError> {
        let to = self.to.clone();
        let failed = |error: Error| failed(&to, &error);
        self.file.sync_all().map_err(failed)?;
        let bytes = self.file.metadata().map_err(failed)?.len();
        match replace {
            true => fs::rename(&self.path, &to).map_err(failed)?,
            false => self.name_new()?,
        }
        self.named = true;
        if cfg!(unix) {
            File::open(folder(&to)).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(bytes)
    }

    /// A second name is refused where there is a file by now; a new name would replace it.
    fn name_new(&self) -> Result<(), TransferError> {
        let exists = || TransferError::Exists { path: self.to.clone() };
        match fs::hard_link(&self.path, &self.to) {
            Ok(()) => fs::remove_file(&self.path).map_err(|error| failed(&self.to, &error)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists()),
            // Not every file system has second names.
            Err(_) if self.to.exists() => Err(exists()),
            Err(_) => fs::rename(&self.path, &self.to).map_err(|error| failed(&self.to, &error)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(to: &Path, error: &Error) -> TransferError {
    TransferError::Backup { path: to.into(), error: ArchiveError::Failed(error.to_string()) }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file is still what its path leads to.
fn is_at(file: &File, path: &Path) -> Result<bool, Error> {
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let ours = file.metadata()?;
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        // A file that is open has no other name there.
        drop((file, there));
        Ok(true)
    }
}
