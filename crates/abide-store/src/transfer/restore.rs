use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    thread::Builder,
};

use abide_core::{Store, port::store::Tally};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{AHEAD_PAGES, Progress, TransferError};
use crate::archive::{self, About, ArchiveError, Block, Reader};

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What it says of itself.
    pub about: About,
    /// What it holds.
    pub tally: Tally,
    /// How many rows were in from an earlier attempt.
    pub from: u64,
}

/// What a thread reads of a backup.
enum Step {
    Checked(u64),
    Sound(Box<(About, Tally)>),
    Rows(Block),
    End,
}

type Steps = Receiver<Result<Step, ArchiveError>>;

/// Reads all of a backup and says what it holds, without a store.
///
/// # Errors
/// [`TransferError::Backup`] if any byte of it is not as it was written.
pub async fn check(path: &Path, mut progress: impl FnMut(Progress)) -> Result<(About, Tally), TransferError> {
    let mut steps = start(path, |file, steps| {
        let told = |done| drop(steps.blocking_send(Ok(Step::Checked(done))));
        let (about, tally) = archive::check(file, told)?;
        let _ = steps.blocking_send(Ok(Step::Sound(Box::new((about, tally)))));
        Ok(())
    });
    let total = path.metadata().map_or(0, |file| file.len());
    loop {
        match next(path, &mut steps).await? {
            Step::Checked(done) => progress(Progress::Checked { done, total }),
            Step::Sound(found) => return Ok(*found),
            Step::Rows(_) | Step::End => {}
        }
    }
}

/// Makes a store of a backup: first all of the backup is checked, then its rows are taken in. The store is to
/// be empty, or `replace` says that all that is in it is to go.
///
/// A restore that was broken off, however that was, goes on where it was when it is repeated with the same
/// backup.
///
/// # Errors
/// [`TransferError::Backup`] before the store is touched, if anything is wrong with the backup;
/// [`TransferError::Target`] with what the store says: it is as it was, or unfinished, which no node takes for
/// a store.
pub async fn restore(
    path: &Path,
    to: &dyn Store,
    replace: bool,
    mut progress: impl FnMut(Progress),
) -> Result<Restored, TransferError> {
    let (about, tally) = check(path, &mut progress).await?;
    let target = TransferError::Target;
    let from = to.import_begin(format!("the backup {}", about.id), replace).await.map_err(target)?;
    let mut steps = start(path, move |file, steps| {
        let mut reader = Reader::new(file)?;
        while let Some(block) = reader.next(from)? {
            if steps.blocking_send(Ok(Step::Rows(block))).is_err() {
                return Ok(());
            }
        }
        let _ = steps.blocking_send(Ok(Step::End));
        Ok(())
    });
    loop {
        match next(path, &mut steps).await? {
            Step::Rows(Block { first, rows, .. }) => {
                let done = first + rows.len() as u64;
                to.import(first, rows).await.map_err(target)?;
                progress(Progress::Moved { done, total: tally.rows() });
            }
            Step::End => break,
            Step::Checked(_) | Step::Sound(_) => {}
        }
    }
    to.import_done(tally.rows()).await.map_err(target)?;
    Ok(Restored { about, tally, from })
}

/// Reads on a thread of its own, a few blocks ahead.
fn start(
    path: &Path,
    read: impl FnOnce(BufReader<File>, &Sender<Result<Step, ArchiveError>>) -> Result<(), ArchiveError> + Send + 'static,
) -> Steps {
    let (sender, steps) = channel(AHEAD_PAGES);
    let path = PathBuf::from(path);
    let started = Builder::new().name("abide-restore".into()).spawn(move || {
        let file = File::open(&path).map_err(|error| ArchiveError::Failed(error.to_string()));
        let read = file.and_then(|file| read(BufReader::with_capacity(1 << 18, file), &sender));
        if let Err(error) = read {
            let _ = sender.blocking_send(Err(error));
        }
    });
    if let Err(error) = started {
        tracing::error!(%error, "a thread could not be started");
    }
    steps
}

async fn next(path: &Path, steps: &mut Steps) -> Result<Step, TransferError> {
    let stopped = || Err(ArchiveError::Failed("the thread that read it has stopped".into()));
    let step = steps.recv().await.unwrap_or_else(stopped);
    step.map_err(|error| TransferError::Backup { path: path.into(), error })
}
