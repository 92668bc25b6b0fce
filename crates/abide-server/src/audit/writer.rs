use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use abide_core::Clock;
use abide_node::SystemClock;
use serde_json::json;
use tokio::time::Instant;

use super::{
    AuditOptions,
    queue::{Job, count_left_out},
};

/// How long it takes at most until the log says that something was left out.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// Writes lines to the file, and begins a new one when it is full.
pub(super) struct Writer {
    options: AuditOptions,
    file: File,
    waiting: Arc<AtomicUsize>,
    left_out: Arc<AtomicU64>,
    /// Whether the last line could not be written: that is said once, and not for each.
    fails: bool,
    /// When it was last said what is missing.
    said_at: Instant,
    say_every: Duration,
}

impl Writer {
    pub(super) fn open(options: AuditOptions, waiting: Arc<AtomicUsize>, left_out: Arc<AtomicU64>) -> io::Result<Self> {
        let file = open(&options.file)?;
        Ok(Self { options, file, waiting, left_out, fails: false, said_at: Instant::now(), say_every: SAY_EVERY })
    }

    /// Writes until nobody can put anything any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(self.say_every) {
                Ok(Job::Line(line)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.write_or_count(&line);
                    // As long as lines keep coming there is no pause in which it could be said.
                    if self.said_at.elapsed() >= self.say_every {
                        self.say_left_out();
                    }
                }
                Ok(Job::Tell(tell)) => {
                    self.say_left_out();
                    // Whoever has gone does not wait.
                    let _ = tell.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.say_left_out(),
                Err(RecvTimeoutError::Disconnected) => return self.say_left_out(),
            }
        }
    }

    fn write_or_count(&mut self, line: &str) {
        let written = self.write(line);
        match &written {
            Ok(()) if self.fails => tracing::info!("the audit log can be written again"),
            Err(error) if !self.fails => {
                let file = self.options.file.display();
                tracing::error!(%error, %file, "the audit log cannot be written; what is missing will be counted");
            }
            Ok(()) | Err(_) => {}
        }
        self.fails = written.is_err();
        if written.is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            count_left_out(1);
        }
    }

    /// A line in the place of those that are missing.
    fn say_left_out(&mut self) {
        self.said_at = Instant::now();
        let missing = self.left_out.swap(0, Ordering::Relaxed);
        if missing == 0 {
            return;
        }
        let what = format!("{missing} acts were not written down");
        let line = json!({
            "at": SystemClock.now(), "who": "node", "home": "default", "from": "this process",
            "namespace": "default", "act": "left out", "what": what, "allowed": true, "count": missing,
        });
        match self.write(&line.to_string()) {
            Ok(()) => {
                tracing::warn!(target: "abide::audit", missing, "acts were not written down: there were too many");
            }
            Err(_) => drop(self.left_out.fetch_add(missing, Ordering::Relaxed)),
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let size = self.make_room(line.len() as u64)?;
        // One write, so that a line is never torn by another program that appends; half a line is taken back.
        self.file.write_all(line.as_bytes()).inspect_err(|_| drop(self.file.set_len(size)))
    }

    /// Begins a new file if this one is full, or was moved away. The size of the one that is written.
    fn make_room(&mut self, bytes: u64) -> io::Result<u64> {
        let path = &self.options.file;
        let mut held = self.file.metadata()?;
        if !fs::metadata(path).is_ok_and(|found| is_same(&held, &found)) {
            self.file = open(path)?;
            held = self.file.metadata()?;
        }
        let size = held.len();
        if size == 0 || size.saturating_add(bytes) <= self.options.bytes_max {
            return Ok(size);
        }
        match self.options.kept {
            0 => fs::remove_file(path)?,
            kept => {
                for older in (1..kept).rev().filter(|older| self.older(*older).exists()) {
                    fs::rename(self.older(older), self.older(older + 1))?;
                }
                fs::rename(path, self.older(1))?;
            }
        }
        self.file = open(path)?;
        Ok(0)
    }

    /// `audit.jsonl.1` is the last one that was full.
    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.options.file.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether both are one file: others may move it away, and mean that a new one begins.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::sync_channel, thread};

    use super::*;

    fn run(options: AuditOptions, left_out: u64, jobs: Vec<Job>) {
        let (waiting, left_out) = (Arc::new(AtomicUsize::new(jobs.len())), Arc::new(AtomicU64::new(left_out)));
        let writer = Writer::open(options, waiting, left_out).unwrap();
        let (put, take) = sync_channel(jobs.len());
        jobs.into_iter().for_each(|job| put.try_send(job).unwrap_or_else(|_| panic!("there is room")));
        drop(put);
        thread::spawn(move || writer.run(&take)).join().unwrap();
    }

    fn lines(count: usize) -> Vec<Job> {
        (0..count).map(|n| Job::Line(format!("{{\"n\":{n:04}}}"))).collect()
    }

    #[test]
    fn a_file_that_is_full_makes_place_for_a_new_one_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        // A line has 11 bytes: nine of them fill a file.
        run(AuditOptions { bytes_max: 99, kept: 2, ..AuditOptions::new(&file) }, 0, lines(40));
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("audit.jsonl").lines().last(), Some("{\"n\":0039}"));
        assert_eq!(read("audit.jsonl.1").lines().last(), Some("{\"n\":0035}"));
        assert_eq!(read("audit.jsonl.2").lines().next(), Some("{\"n\":0018}"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        assert!(fs::read_dir(dir.path()).unwrap().all(|entry| entry.unwrap().metadata().unwrap().len() <= 99));
        run(AuditOptions { bytes_max: 99, kept: 0, ..AuditOptions::new(&file) }, 0, lines(12));
        assert_eq!(read("audit.jsonl.1").lines().last(), Some("{\"n\":0035}"), "it is not touched");
        assert!(read("audit.jsonl").len() <= 99);
    }

    #[test]
    fn what_was_left_out_is_said_and_how_much_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        run(AuditOptions::new(&file), 17, lines(1));
        let text = fs::read_to_string(&file).unwrap();
        let said: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((said["act"].as_str(), said["count"].as_u64()), (Some("left out"), Some(17)));
    }

    #[test]
    fn what_was_left_out_is_said_while_lines_keep_coming() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        let (waiting, left_out) = (Arc::new(AtomicUsize::new(3)), Arc::new(AtomicU64::new(17)));
        let mut writer = Writer::open(AuditOptions::new(&file), waiting, left_out).unwrap();
        // It is always time, and there is never a pause.
        writer.say_every = Duration::ZERO;
        let (put, take) = sync_channel(3);
        lines(3).into_iter().for_each(|line| put.try_send(line).unwrap_or_else(|_| panic!("there is room")));
        drop(put);
        writer.run(&take);
        let text = fs::read_to_string(&file).unwrap();
        let said = text.lines().position(|line| line.contains("\"count\":17"));
        assert_eq!(said, Some(1), "{text}");
    }

    #[test]
    fn a_file_that_others_move_away_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        let mut writer = Writer::open(AuditOptions::new(&file), Arc::default(), Arc::default()).unwrap();
        writer.write("one").unwrap();
        fs::rename(&file, dir.path().join("moved")).unwrap();
        writer.write("two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(dir.path().join("moved")).unwrap(), "one\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_when_it_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, left_out) = (dir.path().join("logs"), Arc::new(AtomicU64::new(0)));
        fs::create_dir(&folder).unwrap();
        let file = folder.join("audit.jsonl");
        let mut writer = Writer::open(AuditOptions::new(&file), Arc::default(), left_out.clone()).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        writer.write_or_count("lost");
        assert_eq!(left_out.load(Ordering::Relaxed), 1);
        fs::create_dir(&folder).unwrap();
        writer.write_or_count("kept");
        writer.say_left_out();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("kept\n") && text.contains("\"count\":1"), "{text}");
    }
}
