//! A folder of its own for a server.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder that is removed with everything in it when this is dropped, if it was made by [`Folder::temporary`].
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// A new, empty folder below the system's folder for such things.
    ///
    /// # Errors
    /// What the system says.
    pub fn temporary(what: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("abide-{what}-{}-{n}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, temporary: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A folder that stays: made if it is not there, never removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn given(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self { path, temporary: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, if it goes with this value.
    pub fn to_remove(&self) -> Option<&Path> {
        self.temporary.then_some(self.path.as_path())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
