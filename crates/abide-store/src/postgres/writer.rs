use std::{sync::Arc, time::Duration};

use abide_core::{Epoch, StoreError, port::store::Committed};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_postgres::Row;

use super::{
    connect::{Conn, Connector},
    fault::{Fault, Result},
    import,
    remembered::Remembered,
    row::number,
    transaction::{self, Failure, Ledgers},
    write::Oids,
};
use crate::{
    import::unfinished,
    requests::{Answer, Batch, Limits, gather},
};

/// How much one transaction takes.
const GROUP_MAX: Limits = Limits { rows: 4_096, bytes: 16 << 20 };
/// How often a transaction that met another one, or found its connection gone, is done again.
const TRIES_MAX: usize = 5;
/// The pause before the end of what was lost is looked for again, if nobody asks before.
const PAUSE: Duration = Duration::from_secs(1);

/// What the writer is asked to do.
pub(super) enum Request {
    Batch(Batch),
    Claim(Answer<Vec<Epoch>>),
    Close(oneshot::Sender<()>),
}

/// The one that writes, on a connection of its own, one transaction after the other.
pub(super) struct Writer {
    connector: Arc<Connector>,
    conn: Option<Conn>,
    /// The process at the server whose connection was lost, until it is known to be gone.
    lost: Option<i32>,
    ledgers: Ledgers,
}

impl Failure {
    fn error(self) -> StoreError {
        if self.maybe {
            return StoreError::Unknown(format!("the answer to a commit was lost: {}", self.fault.sentence()));
        }
        self.fault.into()
    }
}

impl Writer {
    pub(super) fn new(connector: Arc<Connector>, conn: Conn) -> Self {
        let remembered = Remembered::new(connector.options.cached_objects);
        let ledgers = Ledgers { remembered, oids: Oids::default(), hints: Arc::clone(&connector.hints) };
        Self { connector, conn: Some(conn), lost: None, ledgers }
    }

    /// Serves requests until all senders are gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = None;
        loop {
            let request = match waiting.take() {
                Some(request) => request,
                None => match self.next(&mut queue).await {
                    Some(request) => request,
                    None => return,
                },
            };
            match request {
                Request::Claim(answer) => {
                    let claimed = self.claim().await;
                    let _ = answer.send(claimed.map_err(Failure::error));
                }
                Request::Close(done) => {
                    queue.close();
                    drop(self.conn.take());
                    let _ = done.send(());
                    return;
                }
                Request::Batch(first) => {
                    let group = gather(first, GROUP_MAX, || match queue.try_recv().ok()? {
                        Request::Batch(batch) => Some(batch),
                        other => {
                            waiting = Some(other);
                            None
                        }
                    });
                    self.serve(group).await;
                }
            }
        }
    }

    /// What is asked next. As long as nothing is, the end of what was lost is looked for.
    async fn next(&mut self, queue: &mut mpsc::Receiver<Request>) -> Option<Request> {
        while self.connector.doubts.are_any() {
            if let Ok(request) = queue.try_recv() {
                return Some(request);
            }
            match self.connected().await {
                Ok(conn) => self.conn = Some(conn),
                Err(fault) => {
                    tracing::warn!(error = %fault.sentence(), "it is not known yet what became of the last commits");
                    if let Ok(request) = timeout(PAUSE, queue.recv()).await {
                        return request;
                    }
                }
            }
        }
        queue.recv().await
    }

    /// Writes a group and answers each of its batches.
    async fn serve(&mut self, group: Vec<Batch>) {
        let failure = match self.write(&group).await {
            Ok(results) => {
                for (batch, results) in group.into_iter().zip(results) {
                    batch.answer(Ok(results));
                }
                return;
            }
            Err(failure) => failure,
        };
        if group.len() > 1 && !failure.maybe && !failure.fault.is_lost() {
            for batch in group {
                Box::pin(self.serve(vec![batch])).await;
            }
            return;
        }
        let error = failure.error();
        tracing::warn!(%error, batches = group.len(), "a group of batches was not committed");
        for batch in group {
            batch.answer(Err(error.clone()));
        }
    }

    /// Writes a group in one transaction, again if nothing stands against it.
    async fn write(&mut self, group: &[Batch]) -> Result<Vec<Vec<Committed>>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let conn = self.connected().await?;
            let failure = match transaction::write(&conn, &mut self.ledgers, group).await {
                Ok(results) => {
                    self.conn = Some(conn);
                    return Ok(results);
                }
                Err(failure) => failure,
            };
            let again = !failure.maybe && (failure.fault.is_collision() || failure.fault.is_lost());
            if failure.maybe {
                // Before anybody is told, and reads back.
                self.connector.doubts.raise(group.iter().flat_map(Batch::commits).map(|commit| &commit.key));
            }
            self.failed(conn, &failure).await;
            if !again || tries >= TRIES_MAX {
                return Err(failure);
            }
        }
    }

    /// What is remembered may be wrong now, and the connection of no use.
    async fn failed(&mut self, conn: Conn, failure: &Failure) {
        self.ledgers.forget();
        if failure.fault.is_lost() || conn.is_closed() || conn.run("ROLLBACK").await.is_err() {
            self.lost = Some(conn.process);
        } else {
            self.conn = Some(conn);
        }
    }

    /// A connection, and nothing of an earlier one at work behind it.
    async fn connected(&mut self) -> Result<Conn> {
        let mut tries = 0;
        let conn = loop {
            tries += 1;
            let conn = match self.conn.take().filter(|conn| !conn.is_closed()) {
                Some(conn) => conn,
                None => {
                    // A server may have come back from a crash without what it answered last, or another have
                    // taken its place, while nothing was asked.
                    self.ledgers.forget();
                    self.connector.connect_within(self.connector.options.wait).await?
                }
            };
            match self.ready(&conn).await {
                Ok(()) => break conn,
                Err(fault) if fault.is_lost() && tries < TRIES_MAX => {}
                Err(fault) => return Err(fault),
            }
        };
        if self.connector.doubts.are_any() {
            if let Err(fault) = conn.query(BARRIER, &[]).await {
                self.lost = Some(conn.process);
                return Err(fault);
            }
            self.connector.doubts.settle();
        }
        Ok(conn)
    }

    async fn ready(&mut self, conn: &Conn) -> Result<()> {
        if !conn.is_tuned() {
            conn.tune().await?;
        }
        if let Some(process) = self.lost {
            self.connector.end(conn, process).await?;
            self.lost = None;
        }
        Ok(())
    }

    /// Raises all epochs.
    async fn claim(&mut self) -> Result<Vec<Epoch>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let conn = self.connected().await?;
            // Raising twice does no harm, so it may be done again.
            match claim(&conn).await {
                Ok(epochs) => {
                    self.conn = Some(conn);
                    return Ok(epochs);
                }
                Err(fault) => {
                    let failure = Failure::from(fault);
                    let again = failure.fault.is_collision() || failure.fault.is_lost();
                    self.failed(conn, &failure).await;
                    if !again || tries >= TRIES_MAX {
                        return Err(failure);
                    }
                }
            }
        }
    }
}

/// Raises all epochs, unless a part of another store is all that is there.
async fn claim(conn: &Conn) -> Result<Vec<Epoch>> {
    conn.run("BEGIN").await?;
    conn.query(import::HOLD, &[]).await?;
    if let Some(progress) = import::progress(conn).await? {
        return Err(Fault::Refused(unfinished(&progress.importing)));
    }
    let rows = conn.query(CLAIM, &[]).await?;
    conn.run("COMMIT").await?;
    epochs(&rows)
}

/// The epochs of all shards, by number.
fn epochs(rows: &[Row]) -> Result<Vec<Epoch>> {
    let mut numbered: Vec<(i64, Epoch)> = Vec::with_capacity(rows.len());
    for row in rows {
        numbered.push((row.try_get(0)?, Epoch::new(number(row, 1)?)));
    }
    numbered.sort_unstable_by_key(|(shard, _)| *shard);
    Ok(numbered.into_iter().map(|(_, epoch)| epoch).collect())
}

/// Waits, as any commit does, until what was committed before is as durable as the server is told to make it: a
/// commit that waited for a standby is seen by others as soon as its process is ended. A row that is locked is
/// written for that.
const BARRIER: &str = "SELECT 1 FROM meta WHERE name = 'schema' FOR KEY SHARE";

const CLAIM: &str = "
    WITH held AS (SELECT shard FROM shards ORDER BY shard FOR UPDATE)
    UPDATE shards s SET epoch = s.epoch + 1 FROM held WHERE held.shard = s.shard RETURNING s.shard, s.epoch";
