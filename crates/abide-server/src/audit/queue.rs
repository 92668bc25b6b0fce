use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use metrics::counter;
use tokio::time::timeout;

use super::{AuditOptions, writer::Writer};

/// How many lines wait for the file.
const LINES_MAX: usize = 4096;

/// Of which so many may be of refused acts: they never crowd out what was done.
const REFUSED_LINES_MAX: usize = LINES_MAX / 2;

/// How long to wait for a place before asking again, when all is to be written.
const PLACE_AGAIN: Duration = Duration::from_millis(10);

/// Lines on their way to the file.
#[derive(Debug)]
pub(super) struct Queue {
    lines: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    left_out: Arc<AtomicU64>,
}

/// What the writer does.
pub(super) enum Job {
    /// Writes a line.
    Line(String),
    /// Says that everything before is written.
    Tell(tokio::sync::oneshot::Sender<()>),
}

impl Queue {
    /// Opens the file and begins to write.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open(options: &AuditOptions) -> io::Result<Self> {
        let (lines, jobs) = sync_channel(LINES_MAX);
        let (waiting, left_out) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = Writer::open(options.clone(), waiting.clone(), left_out.clone())?;
        // A disk that hangs must not hold up a thread of the runtime.
        std::thread::Builder::new().name("abide-audit".into()).spawn(move || writer.run(&jobs))?;
        Ok(Self { lines, waiting, left_out })
    }

    /// Puts a line where it is written from; if there is no room, it is left out.
    pub(super) fn put(&self, line: String, allowed: bool) {
        let most = if allowed { LINES_MAX } else { REFUSED_LINES_MAX };
        let took =
            self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1));
        if took.is_err() {
            return self.leave_out(1);
        }
        if self.lines.try_send(Job::Line(line)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.leave_out(1);
        }
    }

    /// Counts lines that are not written; the writer says how many.
    pub(super) fn leave_out(&self, lines: u64) {
        self.left_out.fetch_add(lines, Ordering::Relaxed);
        count_left_out(lines);
    }

    /// Waits until everything that was put is written, at most so long.
    pub(super) async fn finish(&self, patience: Duration) {
        let written = async {
            loop {
                let (tell, told) = tokio::sync::oneshot::channel();
                if self.lines.try_send(Job::Tell(tell)).is_ok() {
                    return told.await;
                }
                tokio::time::sleep(PLACE_AGAIN).await;
            }
        };
        if timeout(patience, written).await.is_err() {
            tracing::warn!("the audit log could not be written to its end in time");
        }
    }
}

/// Shows in the metrics what is left out.
pub(super) fn count_left_out(lines: u64) {
    counter!("abide_audit_left_out_total").increment(lines);
}
