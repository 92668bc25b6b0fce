use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
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

use super::{AHEAD_PAGES, Progress, ROWS, TransferError};
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
/// when all of it is durable; until then it has `.partial` after it.
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
    let mut export = store.export().await.map_err(source)?;
    let status = store.status().await.map_err(source)?;
    let about = About::new(store.name(), &status.id, store.shards(), export.of_one_moment(), export.total());
    let partial = Partial::new(to);
    let (pages, written) = start(&partial, to, &about);
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
    let failed = |error| TransferError::Backup { path: to.into(), error };
    let stopped = Err(ArchiveError::Failed("the thread that wrote it has stopped".into()));
    let (tally, bytes) = written.await.unwrap_or(stopped).map_err(failed)?;
    Ok(BackedUp { about, tally, bytes })
}

type Written = Result<(Tally, u64), ArchiveError>;

/// A file that is not yet what it is to be; gone when this is dropped, unless it has got its name.
struct Partial(PathBuf);

impl Partial {
    fn new(to: &Path) -> Self {
        let mut name = to.as_os_str().to_owned();
        name.push(".partial");
        Self(name.into())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes on a thread of its own: compressing takes time, and a disk may make it wait. An empty page is the
/// end; without it nothing gets its name.
fn start(partial: &Partial, to: &Path, about: &About) -> (Sender<Vec<Row>>, oneshot::Receiver<Written>) {
    let (sender, pages) = channel(AHEAD_PAGES);
    let (done, written) = oneshot::channel();
    let (partial, to, about) = (partial.0.clone(), to.to_path_buf(), about.clone());
    let started = Builder::new().name("abide-backup".into()).spawn(move || {
        let _ = done.send(write(&partial, &to, &about, pages));
    });
    if let Err(error) = started {
        tracing::error!(%error, "a thread could not be started");
    }
    (sender, written)
}

fn write(partial: &Path, to: &Path, about: &About, mut pages: Receiver<Vec<Row>>) -> Written {
    let failed = |error: std::io::Error| ArchiveError::Failed(error.to_string());
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let file = File::create(partial).map_err(failed)?;
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, file), about)?;
    loop {
        match pages.blocking_recv() {
            Some(page) if page.is_empty() => break,
            Some(page) => writer.push(&page)?,
            None => return Err(ArchiveError::Failed(StoreError::Closed.to_string())),
        }
    }
    let (mut out, tally) = writer.finish()?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| ArchiveError::Failed(error.to_string()))?;
    file.sync_all().map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    fs::rename(partial, to).map_err(failed)?;
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok((tally, bytes))
}
