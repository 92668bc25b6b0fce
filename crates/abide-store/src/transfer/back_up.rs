use std::{
    io::{BufWriter, Write},
    path::Path,
    thread::Builder,
};

use abide_core::{
    Store, StoreError,
    port::store::{Row, Tally},
};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel},
    oneshot,
};

use super::{AHEAD_PAGES, Progress, ROWS, TransferError, partial::Partial};
use crate::archive::{About, ArchiveError, Writer};

/// A backup that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct BackedUp {
    /// What it says of itself.
    pub about: About,
    /// What it holds.
    pub tally: Tally,
    /// The size of its file.
    pub bytes: u64,
}

/// Writes everything that is in a store into a new file, while nodes work on it. The file has its name only
/// when all of it is durable; until then it has `.partial` after it, and is locked: a second backup to the same
/// path is refused until the first has ended.
///
/// A backup cannot go on where another was broken off: it is of one moment, which is gone.
///
/// # Errors
/// [`TransferError`]; the store is as it was, and nothing is left at `to` but what was there before.
pub async fn back_up(
    store: &dyn Store,
    to: &Path,
    replace: bool,
    mut progress: impl FnMut(Progress),
) -> Result<BackedUp, TransferError> {
    if to.exists() && !replace {
        return Err(TransferError::Exists { path: to.into() });
    }
    let source = TransferError::Source;
    let partial = Partial::take(to)?;
    let mut export = store.export().await.map_err(source)?;
    let status = store.status().await.map_err(source)?;
    let about = About::new(store.name(), &status.id, store.shards(), export.of_one_moment(), export.total());
    let (pages, written) = start(partial, to, replace, &about);
    let mut done = 0;
    loop {
        let page = export.next(ROWS).await.map_err(source)?;
        let (last, rows) = (page.is_empty(), page.len() as u64);
        // Whoever writes says why it stopped.
        if pages.send(page).await.is_err() || last {
            break;
        }
        done += rows;
        progress(Progress::Moved { done, total: export.total().max(done) });
    }
    let stopped = || ArchiveError::Failed("the thread that wrote it has stopped".into());
    let stopped = |_| Err(TransferError::Backup { path: to.into(), error: stopped() });
    let (tally, bytes) = written.await.unwrap_or_else(stopped)?;
    Ok(BackedUp { about, tally, bytes })
}

type Written = Result<(Tally, u64), TransferError>;

/// Writes on a thread of its own: compressing takes time, and a disk may make it wait. An empty page is the
/// end; without it nothing gets its name.
fn start(partial: Partial, to: &Path, replace: bool, about: &About) -> (Sender<Vec<Row>>, oneshot::Receiver<Written>) {
    let (sender, pages) = channel(AHEAD_PAGES);
    let (done, written) = oneshot::channel();
    let (to, about) = (to.to_path_buf(), about.clone());
    let started = Builder::new().name("abide-backup".into()).spawn(move || {
        let tally = write(&partial, &about, pages).map_err(|error| TransferError::Backup { path: to, error });
        let _ = done.send(tally.and_then(|tally| Ok((tally, partial.keep(replace)?))));
    });
    if let Err(error) = started {
        tracing::error!(%error, "a thread could not be started");
    }
    (sender, written)
}

fn write(partial: &Partial, about: &About, mut pages: Receiver<Vec<Row>>) -> Result<Tally, ArchiveError> {
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, partial.file()), about)?;
    loop {
        match pages.blocking_recv() {
            Some(page) if page.is_empty() => break,
            Some(page) => writer.push(&page)?,
            None => return Err(ArchiveError::Failed(StoreError::Closed.to_string())),
        }
    }
    let (mut out, tally) = writer.finish()?;
    out.flush().map_err(|error| ArchiveError::Failed(error.to_string()))?;
    Ok(tally)
}
