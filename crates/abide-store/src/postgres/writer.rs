use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use abide_core::{
    Epoch, Key, StoreError,
    port::store::{Commit, Committed, MessageId},
};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, Row, Statement};

use super::{
    batch::{Gathered, Known, Place},
    connect::{Conn, Connector, Values},
    fault::{Fault, Result},
    row::{number, seq},
    text::escaped,
    write::{Numbers, Oids, Writes},
};

/// How many commits one transaction takes, unless a single batch has more.
const GROUP_COMMITS_MAX: usize = 4_096;
/// How many bytes of states and changes one transaction takes, unless a single batch has more.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How often a transaction that met another one, or found its connection gone, is done again.
const TRIES_MAX: usize = 5;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(super) enum Request {
    Commit { commits: Vec<Commit>, bytes: usize, answer: Answer<Vec<Committed>> },
    Acknowledge { messages: Vec<MessageId>, answer: Answer<()> },
    Claim(Answer<Vec<Epoch>>),
    Close(oneshot::Sender<()>),
}

/// The one that writes, on a connection of its own, one transaction after the other.
pub(super) struct Writer {
    connector: Arc<Connector>,
    conn: Option<Conn>,
    /// The process at the server whose connection was lost, until it is known to be gone.
    lost: Option<i32>,
    /// The last position of each shard, and the epoch in which it was so: the owner in that epoch is
    /// the only one that writes to the shard.
    positions: FxHashMap<u32, (Epoch, i64)>,
    oids: Oids,
}

/// Why a transaction was not done, and whether it may have been all the same.
struct Failure {
    fault: Fault,
    maybe: bool,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, maybe: false }
    }
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
        let positions = FxHashMap::default();
        Self { connector, conn: Some(conn), lost: None, positions, oids: Oids::default() }
    }

    /// Serves requests until all senders are gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut waiting = None;
        loop {
            let request = match waiting.take() {
                Some(request) => request,
                None => match queue.recv().await {
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
                first => {
                    let group = gather(first, &mut queue, &mut waiting);
                    self.serve(group).await;
                }
            }
        }
    }

    /// Writes a group and answers each of its batches.
    async fn serve(&mut self, group: Vec<Request>) {
        let failure = match self.write(&group).await {
            Ok(results) => {
                for (request, results) in group.into_iter().zip(results) {
                    request.answer(Ok(results));
                }
                return;
            }
            Err(failure) => failure,
        };
        if group.len() > 1 && !failure.maybe && !failure.fault.is_lost() {
            for request in group {
                Box::pin(self.serve(vec![request])).await;
            }
            return;
        }
        let error = failure.error();
        tracing::warn!(%error, batches = group.len(), "a group of batches was not committed");
        for request in group {
            request.answer(Err(error.clone()));
        }
    }

    /// Writes a group in one transaction, again if nothing stands against it.
    async fn write(&mut self, group: &[Request]) -> Result<Vec<Vec<Committed>>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let conn = self.connected().await?;
            let failure = match self.transaction(&conn, group).await {
                Ok(results) => {
                    self.conn = Some(conn);
                    return Ok(results);
                }
                Err(failure) => failure,
            };
            let again = !failure.maybe && (failure.fault.is_collision() || failure.fault.is_lost());
            self.failed(conn, &failure).await;
            if !again || tries >= TRIES_MAX {
                return Err(failure);
            }
        }
    }

    /// What is remembered may be wrong now, and the connection of no use.
    async fn failed(&mut self, conn: Conn, failure: &Failure) {
        self.positions.clear();
        if failure.fault.is_lost() || conn.is_closed() || conn.run("ROLLBACK").await.is_err() {
            self.lost = Some(conn.process);
            drop(conn);
            if failure.maybe {
                // Whoever reads back to know should find what stays so.
                self.conn = self.connected().await.ok();
            }
        } else {
            self.conn = Some(conn);
        }
    }

    /// A connection, and nothing of an earlier one at work behind it.
    async fn connected(&mut self) -> Result<Conn> {
        let mut tries = 0;
        loop {
            tries += 1;
            let conn = match self.conn.take().filter(|conn| !conn.is_closed()) {
                Some(conn) => conn,
                None => self.connector.connect_within(self.connector.options.wait).await?,
            };
            match self.ready(&conn).await {
                Ok(()) => return Ok(conn),
                Err(fault) if fault.is_lost() && tries < TRIES_MAX => {}
                Err(fault) => return Err(fault),
            }
        }
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

    async fn transaction(&mut self, conn: &Conn, group: &[Request]) -> Result<Vec<Vec<Committed>>, Failure> {
        let commits: Vec<&Commit> = group.iter().flat_map(Request::commits).collect();
        let (known, mut positions) = self.begin(conn, &commits).await?;
        let mut gathered = Gathered::default();
        let mut results = Vec::with_capacity(group.len());
        for request in group {
            results.push(gathered.apply_batch(request.commits(), &known));
            gathered.acknowledged.extend(request.messages());
        }
        gathered.finish();
        let mut numbers = Numbers { oids: &mut self.oids, positions: &mut positions };
        let writes = Writes::of(&gathered, &mut numbers)?;
        if gathered.is_empty() {
            conn.run("ROLLBACK").await?;
            return Ok(results);
        }
        commit(conn, &writes).await?;
        for (shard, position) in positions {
            let epoch = known.epochs.get(&shard).copied().unwrap_or(Epoch::ZERO);
            self.positions.insert(shard, (epoch, position));
        }
        Ok(results)
    }

    /// Begins a transaction, holds the epochs of all shards that are named, and finds out about their
    /// objects: one message to the server and back.
    async fn begin(&mut self, conn: &Conn, commits: &[&Commit]) -> Result<(Known, FxHashMap<u32, i64>)> {
        let mut epochs: FxHashMap<u32, Epoch> = FxHashMap::default();
        let mut keys: FxHashSet<&Key> = FxHashSet::default();
        for commit in commits {
            epochs.insert(commit.shard.number(), commit.epoch);
            keys.insert(&commit.key);
        }
        let mut shards: Vec<i64> = epochs.keys().map(|shard| i64::from(*shard)).collect();
        shards.sort_unstable();
        let known_position = |shard: &u32, epoch: &Epoch| self.positions.get(shard).filter(|(of, _)| of == epoch);
        let unknown = epochs.iter().filter(|(shard, epoch)| known_position(shard, epoch).is_none());
        let unknown: Vec<i64> = unknown.map(|(shard, _)| i64::from(*shard)).collect();
        let steps = self.oids.steps_for(keys.len());
        let namespaces: Vec<&str> = keys.iter().map(|key| key.namespace().as_str()).collect();
        let kinds: Vec<&str> = keys.iter().map(|key| key.kind().as_str()).collect();
        let ids: Vec<_> = keys.iter().map(|key| escaped(key.id())).collect();
        let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();

        let statements = (
            conn.statement(FENCE).await?,
            conn.statement(HEADS).await?,
            conn.statement(POSITIONS).await?,
            conn.statement(OIDS).await?,
        );
        let client = conn.client();
        let (of_fence, of_heads, of_positions, of_oids): (Values<'_>, Values<'_>, Values<'_>, Values<'_>) =
            (&[&shards], &[&namespaces, &kinds, &ids], &[&unknown], &[&steps]);
        let asked = async {
            // Polled in this order, they are sent in this order, one behind the other.
            tokio::try_join!(
                biased;
                client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
                client.query(&statements.0, of_fence),
                client.query(&statements.1, of_heads),
                query_if(!unknown.is_empty(), client, &statements.2, of_positions),
                query_if(steps > 0, client, &statements.3, of_oids),
            )
        };
        let ((), fence, heads, last, oids) = conn.limited(asked).await?;

        let mut known = Known::default();
        for row in fence {
            known.epochs.insert(number(&row, 0)? as u32, Epoch::new(number(&row, 1)?));
        }
        let keys: Vec<&Key> = keys.into_iter().collect();
        for row in heads {
            let key = keys.get((number(&row, 0)? as usize).wrapping_sub(1)).ok_or(Fault::Moved)?;
            let place = Place { oid: row.try_get(1)?, head: seq(&row, 2)?, floor: seq(&row, 3)? };
            known.places.insert((*key).clone(), place);
        }
        let mut positions: FxHashMap<u32, i64> = FxHashMap::default();
        for (shard, epoch) in &epochs {
            if let Some((_, position)) = self.positions.get(shard).filter(|(of, _)| of == epoch) {
                positions.insert(*shard, *position);
            }
        }
        for row in last {
            positions.insert(number(&row, 0)? as u32, row.try_get(1)?);
        }
        for row in oids {
            self.oids.add(row.try_get(0)?);
        }
        Ok((known, positions))
    }

    /// Raises all epochs.
    async fn claim(&mut self) -> Result<Vec<Epoch>, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let conn = self.connected().await?;
            // A statement by itself is a transaction; raising twice does no harm, so it may be done again.
            match conn.query(CLAIM, &[]).await {
                Ok(rows) => {
                    self.conn = Some(conn);
                    return Ok(epochs(&rows)?);
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

async fn query_if(
    needed: bool,
    client: &Client,
    statement: &Statement,
    values: Values<'_>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if needed { client.query(statement, values).await } else { Ok(Vec::new()) }
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

/// Sends all writes and the COMMIT behind them, and waits for all answers.
async fn commit(conn: &Conn, writes: &Writes<'_>) -> Result<(), Failure> {
    let writes = writes.prepare(conn).await?;
    let answered = async {
        let client = conn.client();
        Ok(tokio::join!(biased; join_in_order(writes), client.batch_execute("COMMIT")))
    };
    let (written, committed) = match conn.limited(answered).await {
        Ok(answered) => answered,
        Err(fault) => return Err(Failure { fault, maybe: true }),
    };
    // A write that was refused has turned the COMMIT into a ROLLBACK.
    let (refused, lost): (Vec<_>, Vec<_>) =
        written.into_iter().filter_map(Result::err).map(Fault::from).partition(Fault::is_refusal);
    if let Some(fault) = refused.into_iter().next() {
        return Err(Failure { fault, maybe: false });
    }
    match (committed.map_err(Fault::from), lost.into_iter().next()) {
        (Ok(()), None) => Ok(()),
        (Err(fault), None) if fault.is_refusal() => Err(Failure { fault, maybe: false }),
        (Err(fault), _) | (Ok(()), Some(fault)) => Err(Failure { fault, maybe: true }),
    }
}

/// Polls all in order, so that they are sent in order.
async fn join_in_order<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut all = true;
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match Pin::new(future).poll(context) {
                Poll::Ready(output) => *done = Some(output),
                Poll::Pending => all = false,
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Everything that is queued and fits one transaction. What does not share it goes to `waiting`.
fn gather(first: Request, queue: &mut mpsc::Receiver<Request>, waiting: &mut Option<Request>) -> Vec<Request> {
    let (mut commits, mut bytes) = first.size();
    let mut group = vec![first];
    while commits < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
        match queue.try_recv() {
            Ok(request @ (Request::Commit { .. } | Request::Acknowledge { .. })) => {
                let size = request.size();
                commits += size.0;
                bytes += size.1;
                group.push(request);
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

impl Request {
    fn commits(&self) -> &[Commit] {
        match self {
            Self::Commit { commits, .. } => commits,
            Self::Acknowledge { .. } | Self::Claim(_) | Self::Close(_) => &[],
        }
    }

    fn messages(&self) -> &[MessageId] {
        match self {
            Self::Acknowledge { messages, .. } => messages,
            Self::Commit { .. } | Self::Claim(_) | Self::Close(_) => &[],
        }
    }

    /// Commits or messages, and bytes.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Commit { commits, bytes, .. } => (commits.len(), *bytes),
            Self::Acknowledge { messages, .. } => (messages.len(), 0),
            Self::Claim(_) | Self::Close(_) => (0, 0),
        }
    }

    /// Whoever asked may have gone away; the batch stands all the same.
    fn answer(self, result: Result<Vec<Committed>, StoreError>) {
        match self {
            Self::Commit { answer, .. } => drop(answer.send(result)),
            Self::Acknowledge { answer, .. } => drop(answer.send(result.map(drop))),
            Self::Claim(_) | Self::Close(_) => {}
        }
    }
}

const FENCE: &str = "SELECT shard, epoch FROM shards WHERE shard = ANY($1::bigint[]) ORDER BY shard FOR SHARE";

const HEADS: &str = "
    SELECT u.place, o.oid, o.head, o.floor
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (namespace, kind, id, place)
    JOIN objects o ON o.namespace = u.namespace AND o.kind = u.kind AND o.id = u.id";

const POSITIONS: &str = "
    SELECT s.shard, l.pos FROM unnest($1::bigint[]) AS s (shard),
    LATERAL (SELECT pos FROM log WHERE log.shard = s.shard ORDER BY pos DESC LIMIT 1) AS l";

const OIDS: &str = "SELECT nextval('oids') FROM generate_series(1, $1::bigint)";

const CLAIM: &str = "
    WITH held AS (SELECT shard FROM shards ORDER BY shard FOR UPDATE)
    UPDATE shards s SET epoch = s.epoch + 1 FROM held WHERE held.shard = s.shard RETURNING s.shard, s.epoch";
