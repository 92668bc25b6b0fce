//! Files that are read again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use parking_lot::{Mutex, RwLock};

/// What some files say, read again when one of them changes. As long as they cannot be read, what they said
/// before holds on.
pub(crate) struct Watched<T> {
    current: Arc<RwLock<Arc<T>>>,
    /// Watches for as long as it is there.
    _watcher: Option<RecommendedWatcher>,
}

/// How a file looks from the outside: when it differs, so may its content.
type Look = Option<(u64, Option<SystemTime>)>;

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files now, and whenever they change.
    ///
    /// # Errors
    /// Those of `read`, now. Later ones are logged.
    pub(crate) fn read(
        what: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let before = looks(&files);
        let current = Arc::new(RwLock::new(Arc::new(read()?)));
        let folders: Vec<PathBuf> = files.iter().map(|file| folder(file)).collect();
        let (held, seen) = (current.clone(), Mutex::new(before));
        let changed = move || {
            let mut seen = seen.lock();
            let now = looks(&files);
            if *seen == now {
                return;
            }
            match read() {
                Ok(value) => {
                    *held.write() = Arc::new(value);
                    tracing::info!(target: "abide::audit", act = "reload", what, "what changed on the disk is in use");
                }
                Err(error) => tracing::error!(
                    what,
                    error,
                    "what changed on the disk cannot be used; what was read before holds on"
                ),
            }
            *seen = now;
        };
        Ok(Self { current, _watcher: watcher(what, &folders, changed) })
    }

    /// What they say.
    pub(crate) fn get(&self) -> Arc<T> {
        self.current.read().clone()
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

/// Watches the folders, since a file that is replaced is another file afterwards.
fn watcher(what: &'static str, folders: &[PathBuf], changed: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
    let noticed = move |event: notify::Result<notify::Event>| match event {
        // Reading is an event, too, and must not lead to more of it.
        Ok(event) if !is_a_look(event.kind) => changed(),
        Ok(_) => {}
        Err(error) => tracing::warn!(what, %error, "a change on the disk may have been missed"),
    };
    let watch = || -> notify::Result<RecommendedWatcher> {
        let mut watcher = notify::recommended_watcher(noticed)?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    };
    watch().inspect_err(|error| tracing::error!(what, %error, "changes on the disk will not be noticed")).ok()
}

fn is_a_look(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn looks(files: &[PathBuf]) -> Vec<Look> {
    let look = |file: &PathBuf| fs::metadata(file).ok().map(|found| (found.len(), found.modified().ok()));
    files.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn number(file: &Path) -> Watched<u32> {
        let path = file.to_owned();
        let read = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            text.trim().parse().map_err(|_| format!("{text:?} is no number"))
        };
        Watched::read("a number", vec![file.to_owned()], read).unwrap()
    }

    #[track_caller]
    fn comes_to(watched: &Watched<u32>, expected: u32) {
        let came = (0..1000).any(|_| {
            std::thread::park_timeout(Duration::from_millis(10));
            *watched.get() == expected
        });
        assert!(came, "{} stayed", watched.get());
    }

    #[test]
    fn a_file_that_is_written_or_replaced_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let watched = number(&file);
        assert_eq!(*watched.get(), 1);
        fs::write(&file, "22").unwrap();
        comes_to(&watched, 22);
        let other = dir.path().join("other");
        fs::write(&other, "333").unwrap();
        fs::rename(&other, &file).unwrap();
        comes_to(&watched, 333);
    }

    #[test]
    fn a_file_that_makes_no_sense_any_more_changes_nothing_until_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let watched = number(&file);
        fs::write(&file, "none").unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(*watched.get(), 1);
        fs::write(&file, "2222").unwrap();
        comes_to(&watched, 2222);
    }
}
