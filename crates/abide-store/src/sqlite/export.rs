//! Everything in the file, row by row, as it was at one moment.

use std::{collections::VecDeque, thread::Builder};

use abide_core::{
    Incarnation, StoreError,
    port::{
        BoxFuture,
        store::{Export, ObjectRow, PAGE_BYTES, Row},
    },
};
use rusqlite::{Connection, Row as Columns};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel},
    oneshot,
};

use super::{
    fault::{Fault, Result},
    import,
    read::messages,
    row::{self, ALARM_COLUMNS},
};

/// How many rows a page has at most.
const PAGE_ROWS: usize = 4_096;
/// How many pages are read ahead.
const AHEAD_PAGES: usize = 2;

type Page = Result<Vec<Row>, StoreError>;

/// Pages that a thread reads in one transaction. An empty one is the last.
struct Rows {
    total: u64,
    page: VecDeque<Row>,
    ended: bool,
    pages: Receiver<Page>,
}

impl Export for Rows {
    fn total(&self) -> u64 {
        self.total
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Page> {
        Box::pin(async move {
            if self.page.is_empty() && !self.ended {
                // Only an empty page is the end: a thread that is gone without one has not read all.
                self.page = self.pages.recv().await.unwrap_or(Err(StoreError::Closed))?.into();
                self.ended = self.page.is_empty();
            }
            if self.page.len() <= limit {
                return Ok(std::mem::take(&mut self.page).into());
            }
            Ok(self.page.drain(..limit.max(1)).collect())
        })
    }
}

/// Begins to read on a thread of its own, which ends with the export. The moment is that of the
/// answer.
pub(super) fn export(conn: Connection) -> BoxFuture<'static, Result<Box<dyn Export>, StoreError>> {
    let (begun, begin) = oneshot::channel();
    let (sender, pages) = channel(AHEAD_PAGES);
    let started = Builder::new().name("abide-store-export".into()).spawn(move || {
        let total = conn.execute_batch("BEGIN").map_err(Fault::from).and_then(|()| total(&conn));
        let failed = total.is_err();
        let _ = begun.send(total);
        if failed {
            return;
        }
        let mut gather = Gather { page: Vec::new(), bytes: 0, sender };
        match gather.all(&conn) {
            Ok(()) | Err(Stop::Unread) => {}
            Err(Stop::Fault(fault)) => drop(gather.sender.blocking_send(Err(fault.into()))),
        }
    });
    Box::pin(async move {
        started.map_err(|error| StoreError::Unavailable(format!("a thread could not be started: {error}")))?;
        let total = begin.await.map_err(|_| StoreError::Closed)??;
        Ok(Box::new(Rows { total, page: VecDeque::new(), ended: false, pages }) as Box<dyn Export>)
    })
}

/// About how many rows there are, cheaply: the log also has entries that are not kept.
fn total(conn: &Connection) -> Result<u64> {
    if let Some(importing) = import::importing(conn)? {
        return Err(Fault::Refused(crate::import::unfinished(&importing)));
    }
    let about = "SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM log WHERE body IS NOT NULL)
                 + (SELECT count(*) FROM alarms) + (SELECT count(*) FROM received)
                 + (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM outbox)";
    Ok(conn.query_row(about, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Why reading ends early.
enum Stop {
    /// Nobody wants the rest.
    Unread,
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Rows on their way.
struct Gather {
    page: Vec<Row>,
    bytes: usize,
    sender: Sender<Page>,
}

impl Gather {
    fn all(&mut self, conn: &Connection) -> Result<(), Stop> {
        let objects = "SELECT namespace, kind, id, head, floor, incarnation, state, version, created_at,
                       updated_at, commit_id FROM objects ORDER BY oid";
        self.table(conn, objects, object)?;
        let changes = "SELECT l.seq, l.at, l.body, o.namespace, o.kind, o.id,
                         (SELECT m.snapshot FROM marks m WHERE m.oid = l.oid AND m.seq = l.seq)
                       FROM log l CROSS JOIN objects o
                       WHERE o.oid = l.oid AND l.body IS NOT NULL AND l.seq > o.floor ORDER BY l.pos";
        self.table(conn, changes, change)?;
        let alarms = format!(
            "SELECT o.namespace, o.kind, o.id, {ALARM_COLUMNS} FROM alarms a CROSS JOIN objects o WHERE o.oid = a.oid"
        );
        self.table(conn, &alarms, alarm)?;
        let received = "SELECT o.namespace, o.kind, o.id, r.namespace, r.kind, r.id, r.n
                        FROM received r CROSS JOIN objects o WHERE o.oid = r.oid";
        self.table(conn, received, received_row)?;
        let outcomes = "SELECT o.namespace, o.kind, o.id, c.fingerprint, c.seq, c.ok, c.reply, c.expires_at,
                        c.caller, c.call_key FROM outcomes c CROSS JOIN objects o WHERE o.oid = c.oid";
        self.table(conn, outcomes, outcome)?;
        let messages = format!("SELECT {} FROM outbox", messages::MESSAGE_COLUMNS);
        self.table(conn, &messages, |row| Ok(Row::Message(Box::new(messages::message(row)?))))?;
        self.send()?;
        self.sender.blocking_send(Ok(Vec::new())).map_err(|_| Stop::Unread)
    }

    /// Reads one table.
    fn table(&mut self, conn: &Connection, sql: &str, read: impl Fn(&Columns<'_>) -> Result<Row>) -> Result<(), Stop> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let row = read(row)?;
            self.bytes += row.bytes();
            self.page.push(row);
            if self.page.len() >= PAGE_ROWS || self.bytes >= PAGE_BYTES {
                self.send()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Stop> {
        self.bytes = 0;
        let page = std::mem::take(&mut self.page);
        if page.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(page)).map_err(|_| Stop::Unread)
    }
}

fn object(row: &Columns<'_>) -> Result<Row> {
    Ok(Row::Object(Box::new(ObjectRow {
        key: row::key(row, 0)?,
        head: row::seq(row, 3)?,
        floor: row::seq(row, 4)?,
        incarnation: Incarnation::new(row::number(row, 5)?),
        state: row::optional_json(row, 6)?,
        version: row.get(7)?,
        created_at: row::time(row, 8)?,
        updated_at: row::time(row, 9)?,
        commit_id: row::number(row, 10)?,
    })))
}

fn change(row: &Columns<'_>) -> Result<Row> {
    let mut change = row::change(row)?;
    change.snapshot = row::optional_json(row, 6)?;
    Ok(Row::Change { key: row::key(row, 3)?, change })
}

fn alarm(row: &Columns<'_>) -> Result<Row> {
    Ok(Row::Alarm { key: row::key(row, 0)?, alarm: Box::new(row::alarm(row, 3)?) })
}

fn received_row(row: &Columns<'_>) -> Result<Row> {
    Ok(Row::Received { key: row::key(row, 0)?, sender: row::key(row, 3)?, n: row::number(row, 6)? })
}

fn outcome(row: &Columns<'_>) -> Result<Row> {
    let (caller, call_key) = (row::text(row, 8)?.into(), row::text(row, 9)?.into());
    let outcome = messages::outcome_of(row, 3, caller, call_key)?;
    Ok(Row::Outcome { key: row::key(row, 0)?, outcome: Box::new(outcome) })
}
