use std::sync::mpsc::Receiver;

use abide_core::{
    Epoch, Seq, StoreError, Timestamp,
    port::store::{Commit, Committed, KindIndexes, MessageId},
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    cache::{Cache, Place},
    clean,
    fault::{Fault, Result},
    group::Group,
    index,
    options::SqliteOptions,
    statements::Statements,
};

/// How many commits one transaction takes, unless a single batch has more.
const GROUP_COMMITS_MAX: usize = 4_096;
/// How many bytes of states and changes one transaction takes, unless a single batch has more.
const GROUP_BYTES_MAX: usize = 32 << 20;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Request {
    Batch(Batch),
    Claim(Answer<Vec<Epoch>>),
    Clean { now: Timestamp, limit: usize, answer: Answer<u64> },
    Index { wanted: Vec<KindIndexes>, answer: Answer<()> },
}

/// What shares a transaction with others of its kind.
pub(super) enum Batch {
    Commit { commits: Vec<Commit>, bytes: usize, answer: Answer<Vec<Committed>> },
    Acknowledge { messages: Vec<MessageId>, answer: Answer<()> },
}

/// The one writer of a file. It lives on its own thread and has the connection to itself.
pub(super) struct Writer<'c> {
    conn: &'c Connection,
    sql: Statements<'c>,
    cache: Cache,
    epochs: Vec<Epoch>,
    next_oid: i64,
    next_pos: i64,
    /// What `PRAGMA data_version` said when all that is remembered of the file was last known to
    /// be right; it moves when another connection commits.
    known_version: Option<i64>,
    group: u64,
    feed_keep: u64,
}

impl<'c> Writer<'c> {
    pub(super) fn new(conn: &'c Connection, options: &SqliteOptions) -> Result<Self> {
        Ok(Self {
            conn,
            sql: Statements::prepare(conn)?,
            cache: Cache::new(options.cached_objects),
            epochs: Vec::new(),
            next_oid: 1,
            next_pos: 1,
            known_version: None,
            group: 0,
            feed_keep: options.feed_keep.max(1),
        })
    }

    /// Serves requests until all senders are gone and everything queued is done.
    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        let mut waiting = None;
        while let Some(request) = waiting.take().or_else(|| queue.recv().ok()) {
            match request {
                Request::Batch(first) => {
                    let group = gather(first, queue, &mut waiting);
                    self.serve(group);
                }
                Request::Claim(answer) => {
                    let _ = answer.send(self.claim().map_err(StoreError::from));
                }
                Request::Clean { now, limit, answer } => {
                    let cleaned = self.clean(now, limit);
                    let _ = answer.send(cleaned.map_err(StoreError::from));
                }
                Request::Index { wanted, answer } => {
                    let made = self.transaction(|writer| index::make(writer.conn, &wanted));
                    let _ = answer.send(made.map_err(StoreError::from));
                }
            }
        }
    }

    /// Writes a group and answers each of its batches.
    fn serve(&mut self, group: Vec<Batch>) {
        match self.write(&group) {
            Ok(results) => {
                for (batch, results) in group.into_iter().zip(results) {
                    batch.answer(Ok(results));
                }
            }
            Err(fault) if group.len() > 1 && fault.may_be_of_one_batch() => {
                for batch in group {
                    self.serve(vec![batch]);
                }
            }
            Err(fault) => {
                let error = StoreError::from(fault);
                tracing::error!(%error, batches = group.len(), "a group of batches was not committed");
                for batch in group {
                    batch.answer(Err(error.clone()));
                }
            }
        }
    }

    fn write(&mut self, group: &[Batch]) -> Result<Vec<Vec<Committed>>> {
        self.transaction(|writer| {
            writer.group += 1;
            let mut gathered = Group::with_capacity(group.iter().map(Batch::commits).sum());
            let mut results = Vec::with_capacity(group.len());
            for batch in group {
                results.push(writer.apply(batch, &mut gathered)?);
            }
            gathered.write(&mut writer.next_pos, &mut writer.sql)?;
            Ok(results)
        })
    }

    fn apply<'g>(&mut self, batch: &'g Batch, group: &mut Group<'g>) -> Result<Vec<Committed>> {
        match batch {
            Batch::Commit { commits, .. } => {
                let mut answers = Vec::with_capacity(commits.len());
                for part in commits.chunk_by(|one, next| one.group.is_some() && one.group == next.group) {
                    self.apply_part(part, group, &mut answers)?;
                }
                Ok(answers)
            }
            Batch::Acknowledge { messages, .. } => {
                for id in messages {
                    self.sql.remove_message(id)?;
                }
                Ok(Vec::new())
            }
        }
    }

    /// Applies one commit, or several that are done together or not at all.
    fn apply_part<'g>(
        &mut self,
        part: &'g [Commit],
        group: &mut Group<'g>,
        answers: &mut Vec<Committed>,
    ) -> Result<()> {
        if part.len() > 1 {
            let checked = part.iter().map(|commit| self.check(commit)).collect::<Result<Vec<_>>>()?;
            if checked.iter().any(|answer| *answer != Committed::Done) {
                let left_out = |answer| if answer == Committed::Done { Committed::LeftOut } else { answer };
                answers.extend(checked.into_iter().map(left_out));
                return Ok(());
            }
        }
        for commit in part {
            answers.push(self.apply_commit(commit, group)?);
        }
        Ok(())
    }

    fn fence(&self, commit: &Commit) -> Option<Committed> {
        let epoch = self.epochs.get(commit.shard.number() as usize);
        let current = epoch.copied().unwrap_or(Epoch::ZERO);
        (current != commit.epoch).then_some(Committed::Fenced { current })
    }

    /// What would become of a commit now.
    fn check(&mut self, commit: &Commit) -> Result<Committed> {
        if let Some(fenced) = self.fence(commit) {
            return Ok(fenced);
        }
        let head = match self.cache.place(&commit.key) {
            Some(place) => place.head,
            None => match self.sql.find(&commit.key)? {
                Some(found) => self.cache.insert(&commit.key, found).head,
                None => Seq::ZERO,
            },
        };
        Ok(if head == commit.expected { Committed::Done } else { Committed::Conflict { head } })
    }

    fn apply_commit<'g>(&mut self, commit: &'g Commit, group: &mut Group<'g>) -> Result<Committed> {
        if let Some(fenced) = self.fence(commit) {
            return Ok(fenced);
        }
        let mut new = false;
        let place = match self.cache.place(&commit.key) {
            Some(place) => place,
            None => match self.sql.find(&commit.key)? {
                Some(found) => self.cache.insert(&commit.key, found),
                None if commit.expected != Seq::ZERO => {
                    return Ok(Committed::Conflict { head: Seq::ZERO });
                }
                None => {
                    new = true;
                    let place = Place::new(self.next_oid);
                    self.next_oid += 1;
                    self.cache.insert(&commit.key, place)
                }
            },
        };
        if place.head != commit.expected {
            return Ok(Committed::Conflict { head: place.head });
        }
        if place.group != self.group {
            place.slot = group.touch(commit, place, new);
            place.group = self.group;
        }
        group.apply(commit, place, &mut self.next_pos, &mut self.sql)
    }

    fn claim(&mut self) -> Result<Vec<Epoch>> {
        self.transaction(|writer| {
            writer.conn.execute("UPDATE shards SET epoch = epoch + 1", [])?;
            writer.load_epochs()?;
            Ok(writer.epochs.clone())
        })
    }

    fn clean(&mut self, now: Timestamp, limit: usize) -> Result<u64> {
        self.transaction(|writer| clean::clean(writer.conn, now, limit, writer.feed_keep))
    }

    /// Does some work in one transaction. When it fails, nothing has changed; only a fault of the
    /// disk at the commit itself may leave that open, which [`Fault::AtCommit`] says.
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.cache.age();
        self.sql.begin.execute([])?;
        let done = self.notice_others().and_then(|()| work(self));
        match done.and_then(|result| self.commit().map(|()| result)) {
            Ok(result) => Ok(result),
            Err(fault) => {
                self.known_version = None;
                self.roll_back();
                Err(if fault.is_ambiguous() { self.settle(fault) } else { fault })
            }
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.sql.commit.execute([]).map_err(Fault::AtCommit)?;
        Ok(())
    }

    fn roll_back(&mut self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    /// After a disk fault at COMMIT: the frames may stand in the log, and a recovery after a crash
    /// would find them. A commit that takes their place removes the doubt.
    fn settle(&mut self, fault: Fault) -> Fault {
        let barrier = "UPDATE meta SET value = value + 1 WHERE name = 'barriers'";
        match (self.conn.execute(barrier, []), fault) {
            (Ok(_), Fault::AtCommit(error)) => Fault::Sqlite(error),
            (_, fault) => fault,
        }
    }

    /// Forgets what it remembers if another connection has written since.
    fn notice_others(&mut self) -> Result<()> {
        let version = self.sql.data_version.query_row([], |row| row.get(0))?;
        if self.known_version == Some(version) {
            return Ok(());
        }
        self.cache.clear();
        self.load_epochs()?;
        let last = |sql| self.conn.query_row(sql, [], |row| row.get::<_, i64>(0));
        self.next_oid = 1 + last("SELECT coalesce(max(oid), 0) FROM objects")?;
        self.next_pos = 1 + last("SELECT coalesce(max(pos), 0) FROM log")?;
        self.known_version = Some(version);
        Ok(())
    }

    fn load_epochs(&mut self) -> Result<()> {
        let sql = "SELECT epoch FROM shards ORDER BY shard";
        let mut statement = self.conn.prepare_cached(sql)?;
        let epochs = statement.query_and_then([], |row| super::row::number(row, 0).map(Epoch::new))?;
        self.epochs = epochs.collect::<Result<_>>()?;
        Ok(())
    }
}

/// Everything that is queued and fits one transaction. What does not share it goes to `waiting`.
fn gather(first: Batch, queue: &Receiver<Request>, waiting: &mut Option<Request>) -> Vec<Batch> {
    let (mut commits, mut bytes) = (first.commits(), first.bytes());
    let mut group = vec![first];
    while commits < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
        match queue.try_recv() {
            Ok(Request::Batch(batch)) => {
                commits += batch.commits();
                bytes += batch.bytes();
                group.push(batch);
            }
            Ok(other) => {
                *waiting = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    group
}

impl Batch {
    fn commits(&self) -> usize {
        match self {
            Self::Commit { commits, .. } => commits.len(),
            Self::Acknowledge { messages, .. } => messages.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit { bytes, .. } => *bytes,
            Self::Acknowledge { .. } => 0,
        }
    }

    /// Whoever asked may have gone away; the batch stands all the same.
    fn answer(self, result: Result<Vec<Committed>, StoreError>) {
        match self {
            Self::Commit { answer, .. } => drop(answer.send(result)),
            Self::Acknowledge { answer, .. } => drop(answer.send(result.map(drop))),
        }
    }
}
