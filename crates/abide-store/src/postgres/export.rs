//! All that a store holds, as rows of one moment.

use std::pin::Pin;

use abide_core::{
    ChangeRecord, Incarnation, StoreError,
    port::{
        BoxFuture,
        store::{Export, ObjectRow, Outcome, PAGE_BYTES, Row},
    },
};
use futures_util::StreamExt;
use tokio_postgres::{Row as Columns, RowStream, types::ToSql};

use super::{
    connect::Conn,
    fault::{Fault, Result},
    import,
    read::messages::{message, reply},
    row::{alarm, json, key, number, optional_json, seq, state, text, time},
};

/// Rows as the server sends them, table by table: it waits while nobody reads on.
struct Rows {
    conn: Conn,
    total: u64,
    /// How many tables are read, or begun.
    tables: usize,
    stream: Option<Pin<Box<RowStream>>>,
}

/// Begins an export on a connection of its own.
pub(super) async fn export(conn: Conn) -> Result<Box<dyn Export>> {
    conn.run(BEGIN).await?;
    if let Some(importing) = import::progress(&conn).await? {
        return Err(Fault::Refused(crate::import::unfinished(&importing.importing)));
    }
    let total = number(&conn.row(TOTAL, &[]).await?, 0)?;
    Ok(Box::new(Rows { conn, total, tables: 0, stream: None }))
}

impl Export for Rows {
    fn total(&self) -> u64 {
        self.total
    }

    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move { Ok(self.page(limit.max(1)).await?) })
    }
}

impl Rows {
    async fn page(&mut self, limit: usize) -> Result<Vec<Row>> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < limit && bytes < PAGE_BYTES {
            let Some(stream) = &mut self.stream else {
                let Some((sql, _)) = TABLES.get(self.tables) else { break };
                let statement = self.conn.statement(sql).await?;
                let none: [&(dyn ToSql + Sync); 0] = [];
                self.stream = Some(Box::pin(self.conn.client().query_raw(&statement, none).await?));
                self.tables += 1;
                continue;
            };
            match stream.next().await {
                Some(columns) => {
                    let row = (TABLES[self.tables - 1].1)(&columns?)?;
                    bytes += row.bytes();
                    page.push(row);
                }
                None => self.stream = None,
            }
        }
        Ok(page)
    }
}

type Read = fn(&Columns) -> Result<Row>;

/// Each table in the order of an index, so that nothing has to be sorted before the first row.
const TABLES: &[(&str, Read)] = &[
    (OBJECTS, object),
    (CHANGES, change),
    (ALARMS, owned_alarm),
    (RECEIVED, received),
    (OUTCOMES, outcome),
    (OUTBOX, sent),
];

fn object(row: &Columns) -> Result<Row> {
    Ok(Row::Object(Box::new(ObjectRow {
        key: key(row, 0)?,
        head: seq(row, 3)?,
        floor: seq(row, 4)?,
        incarnation: Incarnation::new(number(row, 5)?),
        version: u32::try_from(row.try_get::<_, i64>(6)?).unwrap_or(u32::MAX),
        created_at: time(row, 7)?,
        updated_at: time(row, 8)?,
        commit_id: number(row, 9)?,
        state: state(row, 10)?,
    })))
}

fn change(row: &Columns) -> Result<Row> {
    let change =
        ChangeRecord { seq: seq(row, 3)?, at: time(row, 4)?, json: json(row, 5)?, snapshot: optional_json(row, 6)? };
    Ok(Row::Change { key: key(row, 0)?, change })
}

fn owned_alarm(row: &Columns) -> Result<Row> {
    Ok(Row::Alarm { key: key(row, 0)?, alarm: Box::new(alarm(row, 3)?) })
}

fn received(row: &Columns) -> Result<Row> {
    Ok(Row::Received { key: key(row, 0)?, sender: key(row, 3)?, n: number(row, 6)? })
}

fn outcome(row: &Columns) -> Result<Row> {
    let outcome = Outcome {
        caller: text(row, 3)?.into(),
        call_key: text(row, 4)?.into(),
        fingerprint: number(row, 5)?,
        seq: seq(row, 6)?,
        reply: reply(row, 7)?,
        expires_at: time(row, 9)?,
    };
    Ok(Row::Outcome { key: key(row, 0)?, outcome: Box::new(outcome) })
}

fn sent(row: &Columns) -> Result<Row> {
    Ok(Row::Message(Box::new(message(row)?)))
}

/// Nobody ends a transaction because it takes long, or because its reader does.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off";

const TOTAL: &str = "
    SELECT ((SELECT count(*) + coalesce(sum(head - floor), 0) FROM objects) + (SELECT count(*) FROM alarms)
            + (SELECT count(*) FROM received) + (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM outbox))::bigint";

const OBJECTS: &str = "
    SELECT o.namespace, o.kind, o.id, o.head, o.floor, o.incarnation, o.version, o.created_at, o.updated_at, o.commit_id,
           o.exact, CASE WHEN o.exact IS NULL THEN o.state::text END
    FROM objects o ORDER BY o.oid";

const CHANGES: &str = "
    SELECT o.namespace, o.kind, o.id, l.seq, l.at, l.body, l.snapshot FROM log l JOIN objects o ON o.oid = l.oid
    WHERE l.seq > o.floor AND l.body IS NOT NULL ORDER BY l.oid, l.seq";

const ALARMS: &str = "
    SELECT o.namespace, o.kind, o.id, a.name, a.due, a.token, a.payload, a.attempt, a.schedule, a.error, a.principal
    FROM alarms a JOIN objects o ON o.oid = a.oid ORDER BY a.oid, a.name";

const RECEIVED: &str = "
    SELECT o.namespace, o.kind, o.id, r.namespace, r.kind, r.id, r.n
    FROM received r JOIN objects o ON o.oid = r.oid ORDER BY r.oid, r.namespace, r.kind, r.id";

const OUTCOMES: &str = "
    SELECT o.namespace, o.kind, o.id, c.caller, c.call_key, c.fingerprint, c.seq, c.ok, c.reply, c.expires_at
    FROM outcomes c JOIN objects o ON o.oid = c.oid ORDER BY c.oid, c.caller, c.call_key";

const OUTBOX: &str = "
    SELECT namespace, kind, id, n, target_namespace, target_kind, target_id, handler, args, principal, at
    FROM outbox ORDER BY namespace, kind, id, n";
