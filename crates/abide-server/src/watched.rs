//! Files that are read again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, SystemTime},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use parking_lot::RwLock;
use ring::digest::{SHA256, digest};
use tokio::sync::watch;

use crate::audit::Audit;

/// How often files are compared although nobody said that they changed: not every change is told. A file
/// that a link leads to, a folder that a container mounts, a network drive say nothing.
const COMPARE_EVERY: Duration = Duration::from_secs(3);

/// A file that was changed so short a time before it was read may have been changed again without looking
/// different.
const SETTLES_IN: Duration = Duration::from_secs(2);

/// What some files say, read again when one of them changes. As long as they cannot be read, what they said
/// before holds on.
pub(crate) struct Watched<T> {
    current: Arc<RwLock<Arc<T>>>,
    /// Ends the thread that compares when it is dropped.
    _compares: SyncSender<()>,
    /// Watches for as long as it is there.
    _watcher: Option<RecommendedWatcher>,
}

/// Who hears that files were read again.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    audit: Audit,
    count: Arc<watch::Sender<u64>>,
}

/// How a file looks from the outside, and what it holds.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    outside: Option<Outside>,
    content: Option<[u8; 32]>,
    /// Whether it would look different if it were changed again.
    settled: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Outside {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Which file it is, and when that was last known of it.
    file: (u64, u64, i64, i64),
}

impl Reloads {
    /// They are written down there.
    pub(crate) fn new(audit: Audit) -> Self {
        Self { audit, count: Arc::new(watch::Sender::new(0)) }
    }

    /// Marked as changed whenever files were read again, and may say something else about who is who.
    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn tell(&self, what: &str, files: &[PathBuf], done: Result<(), &str>) {
        let from: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let from = from.join(" ");
        match done {
            Ok(()) => {
                self.audit.record_own(&from, "reload", what, true);
                self.count.send_modify(|count| *count += 1);
            }
            Err(error) => {
                tracing::error!(what, error, "what changed on the disk cannot be used; what was read before holds on");
                self.audit.record_own(&from, "reload", &format!("{what}: {error}"), false);
            }
        }
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files now, and whenever they change.
    ///
    /// # Errors
    /// Those of `read`, now. Later ones are logged.
    pub(crate) fn read(
        what: &'static str,
        files: Vec<PathBuf>,
        reloads: &Reloads,
        read: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let mut seen: Vec<Look> = files.iter().map(|file| Look::new(file, None)).collect();
        let current = Arc::new(RwLock::new(Arc::new(read()?)));
        let folders: Vec<PathBuf> = files.iter().map(|file| folder(file)).collect();
        // Of several changes at once one needs to be looked at.
        let (wake, woken) = sync_channel(1);
        let watcher = watcher(what, &folders, wake.clone());
        let (held, reloads) = (current.clone(), reloads.clone());
        let compare = move || {
            let now: Vec<Look> = files.iter().zip(&seen).map(|(file, before)| Look::new(file, Some(before))).collect();
            let same = now.iter().zip(&seen).all(|(now, before)| now.content == before.content);
            seen = now;
            if same {
                return;
            }
            match read() {
                Ok(value) => {
                    *held.write() = Arc::new(value);
                    reloads.tell(what, &files, Ok(()));
                }
                Err(error) => reloads.tell(what, &files, Err(&error)),
            }
        };
        std::thread::Builder::new()
            .name("abide-files".into())
            .spawn(move || compare_for_ever(&woken, compare))
            .map_err(|error| format!("{what}: no thread could be started to look after it: {error}"))?;
        Ok(Self { current, _compares: wake, _watcher: watcher })
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

impl Look {
    /// How it looks now. What it holds is read only if that may be something else than before.
    fn new(file: &Path, before: Option<&Self>) -> Self {
        let found = fs::metadata(file).ok();
        let outside = found.as_ref().map(Outside::of);
        match before {
            Some(before) if before.settled && before.outside == outside => before.clone(),
            _ => {
                let settled = outside.as_ref().and_then(|outside| outside.modified).is_none_or(is_long_ago);
                Self { outside, content: content(file), settled }
            }
        }
    }
}

impl Outside {
    fn of(found: &fs::Metadata) -> Self {
        Self { bytes: found.len(), modified: found.modified().ok(), file: identity(found) }
    }
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, u64, i64, i64) {
    Default::default()
}

#[expect(clippy::disallowed_methods, reason = "the time of a file is that of the machine")]
fn is_long_ago(time: SystemTime) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|past| past >= SETTLES_IN)
}

fn content(file: &Path) -> Option<[u8; 32]> {
    let bytes = fs::read(file).ok()?;
    digest(&SHA256, &bytes).as_ref().try_into().ok()
}

/// Compares whenever it is woken, and now and then, until nobody can wake it any more.
fn compare_for_ever(woken: &Receiver<()>, mut compare: impl FnMut()) {
    loop {
        match woken.recv_timeout(COMPARE_EVERY) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => compare(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Watches the folders, since a file that is replaced is another file afterwards.
fn watcher(what: &'static str, folders: &[PathBuf], wake: SyncSender<()>) -> Option<RecommendedWatcher> {
    let noticed = move |event: notify::Result<notify::Event>| match event {
        // Reading is an event, too, and must not lead to more of it. Who is woken already need not be again.
        Ok(event) if !is_a_look(event.kind) => drop(wake.try_send(())),
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
    let late = COMPARE_EVERY.as_secs();
    watch().inspect_err(|error| tracing::warn!(what, %error, late, "changes on the disk will be noticed late")).ok()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reloads() -> Reloads {
        Reloads::new(Audit::new(None).unwrap())
    }

    fn number(file: &Path) -> Watched<u32> {
        let path = file.to_owned();
        let read = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            text.trim().parse().map_err(|_| format!("{text:?} is no number"))
        };
        Watched::read("a number", vec![file.to_owned()], &reloads(), read).unwrap()
    }

    #[track_caller]
    fn comes_to(watched: &Watched<u32>, expected: u32) {
        let came = (0..3000).any(|_| {
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

    #[test]
    fn a_file_whose_changes_nobody_tells_is_read_again_all_the_same() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, real) = (dir.path().join("number"), elsewhere.path().join("real"));
        fs::write(&real, "1").unwrap();
        std::os::unix::fs::symlink(&real, &file).unwrap();
        let watched = number(&file);
        fs::write(&real, "2").unwrap();
        comes_to(&watched, 2);
        fs::write(elsewhere.path().join("new"), "3").unwrap();
        fs::rename(elsewhere.path().join("new"), &real).unwrap();
        comes_to(&watched, 3);
    }

    #[test]
    fn a_folder_that_is_swapped_as_a_container_mounts_it_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        for (folder, text) in [("one", "1"), ("two", "2")] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("number"), text).unwrap();
        }
        link("one", "..data");
        link("..data/number", "number");
        let watched = number(&dir.path().join("number"));
        link("two", "..new");
        fs::rename(dir.path().join("..new"), dir.path().join("..data")).unwrap();
        comes_to(&watched, 2);
    }

    #[test]
    fn whoever_listens_hears_that_a_file_was_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let (reloads, path) = (reloads(), file.clone());
        let read = move || fs::read_to_string(&path).map_err(|error| error.to_string());
        let watched = Watched::read("a text", vec![file.clone()], &reloads, read).unwrap();
        let heard = reloads.listen();
        assert!(!heard.has_changed().unwrap());
        fs::write(&file, "2").unwrap();
        let came = (0..3000).any(|_| {
            std::thread::park_timeout(Duration::from_millis(10));
            heard.has_changed().unwrap()
        });
        assert!(came && *watched.get() == "2");
    }
}
