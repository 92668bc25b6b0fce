//! One transaction of the writer.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use abide_core::{Epoch, StoreError, port::store::Committed};
use tokio::task::yield_now;
use tokio_postgres::{Client, Row, Statement};

use super::{
    batch::{Gathered, Known, Place},
    connect::{Conn, Values},
    fault::{Fault, Result},
    hints::Hints,
    remembered::{Recalled, Remembered},
    row::{number, seq},
    text::escaped,
    write::{Oids, Writes},
};
use crate::requests::Batch;

/// Why a transaction was not done, and whether it may have been all the same.
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) maybe: bool,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, maybe: false }
    }
}

/// What one transaction leaves for the next.
pub(super) struct Ledgers {
    pub(super) remembered: Remembered,
    pub(super) oids: Oids,
    pub(super) hints: Arc<Hints>,
}

impl Ledgers {
    /// Forgets what was found in the server: it may be otherwise now.
    pub(super) fn forget(&mut self) {
        self.remembered.forget();
        self.oids = Oids::default();
    }
}

/// Writes a group, with two messages to the server and back: the fence with what is not remembered, then
/// all writes with the COMMIT.
pub(super) async fn write(conn: &Conn, ledgers: &mut Ledgers, group: &[Batch]) -> Result<Vec<Vec<Committed>>, Failure> {
    let mut recalled = ledgers.remembered.recall(group.iter().flat_map(Batch::commits));
    let (begun, early) = {
        let steps = ledgers.oids.steps_for(recalled.keys.len());
        let acknowledges = group.iter().any(|batch| !batch.messages().is_empty());
        let mut asked = pin!(begin(conn, &recalled, steps, acknowledges));
        if recalled.is_all() {
            // While the server begins, the writes are put together as if the epochs were still what they were.
            let sent = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
            yield_now().await;
            let work = Work::of(group, &recalled.known, &mut ledgers.oids);
            let begun = match sent {
                Poll::Ready(begun) => begun,
                Poll::Pending => asked.await,
            };
            (begun?, Some(work?))
        } else {
            (asked.await?, None)
        }
    };
    let from_memory = recalled.known.places.len();
    begun.complete(&mut recalled, &mut ledgers.oids)?;
    let work = match early {
        Some(work) => work,
        None => Work::of(group, &recalled.known, &mut ledgers.oids)?,
    };
    if from_memory > 0 && work.has_conflict() {
        // Nobody is told of a conflict that the server was not asked about.
        return Err(Fault::Moved.into());
    }
    if work.gathered.is_empty() {
        conn.run("ROLLBACK").await?;
        return Ok(work.answers);
    }
    commit(conn, &work.writes).await?;
    let known = Known { positions: work.positions, ..recalled.known };
    ledgers.remembered.note(&known, &work.gathered, &work.oids);
    let moved = work.gathered.log.iter().map(|entry| work.gathered.objects[entry.slot].shard);
    ledgers.hints.moved(moved);
    Ok(work.answers)
}

/// What a transaction does, all of it.
struct Work<'g> {
    answers: Vec<Vec<Committed>>,
    gathered: Gathered<'g>,
    oids: Vec<i64>,
    positions: rustc_hash::FxHashMap<u32, i64>,
    writes: Writes<'g>,
}

impl<'g> Work<'g> {
    fn of(group: &'g [Batch], known: &Known, oids: &mut Oids) -> Result<Self> {
        let mut gathered = Gathered::default();
        let mut answers = Vec::with_capacity(group.len());
        for batch in group {
            answers.push(gathered.apply_batch(batch.commits(), known));
            gathered.acknowledged.extend(batch.messages());
        }
        gathered.finish();
        let mut positions = known.positions.clone();
        let oids = oids.of(&gathered)?;
        let writes = Writes::of(&gathered, &oids, &mut positions)?;
        Ok(Self { answers, gathered, oids, positions, writes })
    }

    fn has_conflict(&self) -> bool {
        self.answers.iter().flatten().any(|answer| matches!(answer, Committed::Conflict { .. }))
    }
}

/// What the server says as a transaction begins.
struct Begun {
    fence: Vec<Row>,
    heads: Vec<Row>,
    positions: Vec<Row>,
    oids: Vec<Row>,
    /// An import that is not finished.
    importing: Vec<Row>,
}

/// Begins a transaction, holds the epochs of all shards that are named, and asks for what is not known:
/// one message to the server and back.
async fn begin(conn: &Conn, recalled: &Recalled<'_>, steps: i64, acknowledges: bool) -> Result<Begun> {
    let shards: Vec<i64> = recalled.shards.iter().map(|(shard, _)| i64::from(*shard)).collect();
    let namespaces: Vec<&str> = recalled.keys.iter().map(|key| key.namespace().as_str()).collect();
    let kinds: Vec<&str> = recalled.keys.iter().map(|key| key.kind().as_str()).collect();
    let ids: Vec<_> = recalled.keys.iter().map(|key| escaped(key.id())).collect();
    let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
    let statements = (
        conn.statement(FENCE).await?,
        conn.statement(HEADS).await?,
        conn.statement(POSITIONS).await?,
        conn.statement(OIDS).await?,
        conn.statement(IMPORTING).await?,
    );
    let client = conn.client();
    let (of_fence, of_heads, of_positions, of_oids): (Values<'_>, Values<'_>, Values<'_>, Values<'_>) =
        (&[&shards], &[&namespaces, &kinds, &ids], &[&recalled.positions], &[&steps]);
    let asked = async {
        // Polled in this order, they are sent in this order, one behind the other.
        tokio::try_join!(
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
            query_if(!shards.is_empty(), client, &statements.0, of_fence),
            query_if(!ids.is_empty(), client, &statements.1, of_heads),
            query_if(!recalled.positions.is_empty(), client, &statements.2, of_positions),
            query_if(steps > 0, client, &statements.3, of_oids),
            query_if(acknowledges, client, &statements.4, &[]),
        )
    };
    let ((), fence, heads, positions, oids, importing) = conn.limited(asked).await?;
    Ok(Begun { fence, heads, positions, oids, importing })
}

impl Begun {
    /// Adds what the server says to what was recalled, if that is still so.
    fn complete(&self, recalled: &mut Recalled<'_>, oids: &mut Oids) -> Result<()> {
        if !self.importing.is_empty() {
            let sentence = "a part of another store is here, and nothing is acknowledged until all of it is";
            return Err(Fault::Refused(StoreError::Unsupported(sentence.into())));
        }
        let known = &mut recalled.known;
        for row in &self.fence {
            known.epochs.insert(number(row, 0)? as u32, Epoch::new(number(row, 1)?));
        }
        if recalled.shards.iter().any(|(shard, epoch)| epoch.is_some_and(|epoch| epoch != known.epoch(*shard))) {
            return Err(Fault::Moved);
        }
        for row in &self.heads {
            let key = recalled.keys.get((number(row, 0)? as usize).wrapping_sub(1)).ok_or(Fault::Moved)?;
            let place =
                Place { oid: row.try_get(1)?, head: seq(row, 2)?, floor: seq(row, 3)?, commit_id: number(row, 4)? };
            known.places.insert((*key).clone(), place);
        }
        for row in &self.positions {
            known.positions.insert(number(row, 0)? as u32, row.try_get(1)?);
        }
        for row in &self.oids {
            oids.add(row.try_get(0)?);
        }
        Ok(())
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

const FENCE: &str = "SELECT shard, epoch FROM shards WHERE shard = ANY($1::bigint[]) ORDER BY shard FOR SHARE";

const HEADS: &str = "
    SELECT u.place, o.oid, o.head, o.floor, o.commit_id
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (namespace, kind, id, place)
    JOIN objects o ON o.namespace = u.namespace AND o.kind = u.kind AND o.id = u.id";

const POSITIONS: &str = "
    SELECT s.shard, l.pos FROM unnest($1::bigint[]) AS s (shard),
    LATERAL (SELECT pos FROM log WHERE log.shard = s.shard ORDER BY pos DESC LIMIT 1) AS l";

const IMPORTING: &str = "SELECT 1 FROM meta WHERE name = 'import_source'";

const OIDS: &str = "SELECT nextval('oids') FROM generate_series(1, $1::bigint)";
