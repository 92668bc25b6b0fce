use std::sync::{Arc, mpsc::Receiver};

use abide_core::{
    Epoch, Key, Seq, Shard, StoreError, Timestamp,
    port::store::{Commit, Committed, Importing, KindIndexes, Ledger, Row, apply_batch},
};
use rusqlite::Connection;

use super::{
    clean::Cleaner,
    fault::{Fault, Result},
    group::Group,
    import, index,
    options::SqliteOptions,
    place::Place,
    statements::Statements,
};
use crate::{
    news::News,
    recent::Recent,
    requests::{Answer, Batch, Limits, gather},
};

/// How much one transaction takes.
const GROUP_MAX: Limits = Limits { rows: 4_096, bytes: 32 << 20 };

/// What the writer is asked to do.
pub(super) enum Request {
    Batch(Batch),
    Claim(Answer<Vec<Epoch>>),
    Clean { now: Timestamp, limit: usize, answer: Answer<u64> },
    Index { wanted: Vec<KindIndexes>, answer: Answer<()> },
    ImportBegin { source: String, replace: bool, answer: Answer<u64> },
    Import { from: u64, rows: Vec<Row>, answer: Answer<()> },
    ImportDone { rows: u64, answer: Answer<()> },
}

/// The one writer of a file. It lives on its own thread and has the connection to itself.
pub(super) struct Writer<'c> {
    conn: &'c Connection,
    sql: Statements<'c>,
    places: Recent<Place>,
    epochs: Vec<Epoch>,
    importing: Option<Importing>,
    next_oid: i64,
    next_pos: i64,
    /// What `PRAGMA data_version` said when all that is remembered of the file was last known to
    /// be right; it moves when another connection commits.
    known_version: Option<i64>,
    group: u64,
    cleaner: Cleaner,
    news: Arc<News>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(conn: &'c Connection, options: &SqliteOptions, news: Arc<News>) -> Result<Self> {
        Ok(Self {
            conn,
            sql: Statements::prepare(conn)?,
            places: Recent::new(options.cached_objects),
            epochs: Vec::new(),
            importing: None,
            next_oid: 1,
            next_pos: 1,
            known_version: None,
            group: 0,
            cleaner: Cleaner::new(options.feed_keep.max(1)),
            news,
        })
    }

    /// Serves requests until all senders are gone and everything queued is done.
    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        let mut waiting = None;
        while let Some(request) = waiting.take().or_else(|| queue.recv().ok()) {
            match request {
                Request::Batch(first) => {
                    let group = gather(first, GROUP_MAX, || match queue.try_recv().ok()? {
                        Request::Batch(batch) => Some(batch),
                        other => {
                            waiting = Some(other);
                            None
                        }
                    });
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
                Request::ImportBegin { source, replace, answer } => {
                    let _ = answer.send(self.import_begin(source, replace).map_err(StoreError::from));
                }
                Request::Import { from, rows, answer } => {
                    let _ = answer.send(self.import(from, rows).map_err(StoreError::from));
                }
                Request::ImportDone { rows, answer } => {
                    let _ = answer.send(self.import_done(rows).map_err(StoreError::from));
                }
            }
        }
    }

    /// Writes a group and answers each of its batches.
    fn serve(&mut self, group: Vec<Batch>) {
        match self.write(&group) {
            Ok(results) => {
                self.news.tell(group.iter().flat_map(Batch::commits).map(|commit| commit.shard));
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
            let mut gathered = Group::with_capacity(group.iter().map(|batch| batch.commits().len()).sum());
            let mut results = Vec::with_capacity(group.len());
            for batch in group {
                results.push(writer.apply(batch, &mut gathered)?);
            }
            let Writer { places, sql, next_pos, .. } = writer;
            gathered.write(next_pos, sql, |key, pos| {
                if let Some(place) = places.get(key) {
                    place.pos = pos;
                }
            })?;
            Ok(results)
        })
    }

    fn apply<'g>(&mut self, batch: &'g Batch, group: &mut Group<'g>) -> Result<Vec<Committed>> {
        let answers = apply_batch(&mut Open { writer: self, group }, batch.commits())?;
        if !batch.messages().is_empty() {
            self.whole()?;
        }
        for id in batch.messages() {
            self.sql.remove_message(id)?;
        }
        Ok(answers)
    }

    fn claim(&mut self) -> Result<Vec<Epoch>> {
        self.transaction(|writer| {
            writer.whole()?;
            writer.conn.execute("UPDATE shards SET epoch = epoch + 1", [])?;
            writer.load_epochs()?;
            Ok(writer.epochs.clone())
        })
    }

    fn clean(&mut self, now: Timestamp, limit: usize) -> Result<u64> {
        self.transaction(|writer| writer.cleaner.clean(writer.conn, now, limit))
    }

    /// Refuses what needs all of a store while only a part is there.
    fn whole(&self) -> Result<()> {
        self.importing.as_ref().map_or(Ok(()), |importing| Err(crate::import::unfinished(importing).into()))
    }

    fn import_begin(&mut self, source: String, replace: bool) -> Result<u64> {
        self.imports(|writer| import::begin(writer.conn, source, replace))
    }

    fn import(&mut self, from: u64, rows: Vec<Row>) -> Result<()> {
        self.imports(|writer| {
            let intake = import::Intake {
                conn: writer.conn,
                sql: &mut writer.sql,
                shards: u32::try_from(writer.epochs.len()).unwrap_or(u32::MAX),
                next_oid: writer.next_oid,
                next_pos: writer.next_pos,
            };
            intake.take_in(from, rows)
        })
    }

    fn import_done(&mut self, rows: u64) -> Result<()> {
        self.imports(|writer| import::done(writer.conn, rows))
    }

    /// What an import changes is nothing that the writer knows of its objects.
    fn imports<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let done = self.transaction(work);
        self.known_version = None;
        done
    }

    /// Does some work in one transaction. When it fails, nothing has changed; only a fault of the
    /// disk at the commit itself may leave that open, which [`Fault::AtCommit`] says.
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.places.age();
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
        self.places.clear();
        self.load_epochs()?;
        self.importing = import::importing(self.conn)?;
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

/// A transaction that is open, and what it has gathered.
struct Open<'w, 'c, 'm, 'g> {
    writer: &'w mut Writer<'c>,
    group: &'m mut Group<'g>,
}

impl<'g> Ledger<'g> for Open<'_, '_, '_, 'g> {
    type Fault = Fault;

    fn epoch(&self, shard: Shard) -> Epoch {
        self.writer.epochs.get(shard.number() as usize).copied().unwrap_or(Epoch::ZERO)
    }

    fn head(&mut self, key: &Key) -> Result<Seq> {
        let Writer { places, sql, .. } = &mut *self.writer;
        if let Some(place) = places.get(key) {
            return Ok(place.head);
        }
        Ok(sql.find(key)?.map_or(Seq::ZERO, |found| places.insert(key, found).head))
    }

    fn apply(&mut self, commit: &'g Commit) -> Result<()> {
        let Writer { places, sql, next_oid, next_pos, group: number, .. } = &mut *self.writer;
        let place = match places.get(&commit.key) {
            Some(place) => place,
            None => {
                // Its head was asked for just now, and it has no row.
                let place = Place::new(*next_oid);
                *next_oid += 1;
                places.insert(&commit.key, place)
            }
        };
        if place.group != *number {
            place.slot = self.group.touch(commit, place);
            place.group = *number;
            place.new = false;
        }
        self.group.apply(commit, place, next_pos, sql)
    }
}
