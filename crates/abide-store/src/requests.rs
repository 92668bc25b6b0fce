//! Requests on their way to the one that writes, and their answers on the way back.

use abide_core::{
    ChangeRecord, StoreError,
    port::{
        BoxFuture,
        store::{Commit, Committed, MessageId, Write},
    },
};
use tokio::sync::oneshot;

/// Where an answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What shares a transaction with others of its kind.
pub(crate) enum Batch {
    Commit { commits: Vec<Commit>, bytes: usize, answer: Answer<Vec<Committed>> },
    Acknowledge { messages: Vec<MessageId>, answer: Answer<()> },
}

/// How much one transaction takes, unless a single batch has more.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Commits, and messages acknowledged.
    pub(crate) rows: usize,
    /// Bytes of states and changes.
    pub(crate) bytes: usize,
}

/// Sends a request now; the future waits for its answer.
pub(crate) fn ask<T: Send + 'static>(
    send: impl FnOnce(Answer<T>) -> Result<(), StoreError>,
) -> BoxFuture<'static, Result<T, StoreError>> {
    let (answer, answered) = oneshot::channel();
    let sent = send(answer);
    Box::pin(async move {
        sent?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    })
}

/// The answer where the queue has no room.
pub(crate) fn crowded() -> StoreError {
    StoreError::Unavailable("too many batches are waiting for the store".into())
}

/// The first batch, and those behind it that fit the same transaction.
pub(crate) fn gather(first: Batch, limits: Limits, mut next: impl FnMut() -> Option<Batch>) -> Vec<Batch> {
    let (mut rows, mut bytes) = (first.rows(), first.bytes());
    let mut group = vec![first];
    while rows < limits.rows && bytes < limits.bytes {
        let Some(batch) = next() else { break };
        rows += batch.rows();
        bytes += batch.bytes();
        group.push(batch);
    }
    group
}

impl Batch {
    pub(crate) fn commit(commits: Vec<Commit>, answer: Answer<Vec<Committed>>) -> Self {
        let bytes = commits.iter().map(bytes).sum();
        Self::Commit { commits, bytes, answer }
    }

    pub(crate) fn commits(&self) -> &[Commit] {
        match self {
            Self::Commit { commits, .. } => commits,
            Self::Acknowledge { .. } => &[],
        }
    }

    pub(crate) fn messages(&self) -> &[MessageId] {
        match self {
            Self::Acknowledge { messages, .. } => messages,
            Self::Commit { .. } => &[],
        }
    }

    /// Whoever asked may have gone away; the batch stands all the same.
    pub(crate) fn answer(self, result: Result<Vec<Committed>, StoreError>) {
        match self {
            Self::Commit { answer, .. } => drop(answer.send(result)),
            Self::Acknowledge { answer, .. } => drop(answer.send(result.map(drop))),
        }
    }

    fn rows(&self) -> usize {
        self.commits().len() + self.messages().len()
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit { bytes, .. } => *bytes,
            Self::Acknowledge { .. } => 0,
        }
    }
}

/// About how many bytes a commit writes.
fn bytes(commit: &Commit) -> usize {
    let change = |change: &ChangeRecord| {
        let snapshot = change.snapshot.as_ref().map_or(0, |s| s.as_str().len());
        change.json.as_str().len() + snapshot
    };
    let state = match &commit.write {
        Write::Put { state, .. } => state.as_str().len(),
        Write::Keep | Write::Delete { .. } => 0,
    };
    state + commit.changes.iter().map(change).sum::<usize>()
}
