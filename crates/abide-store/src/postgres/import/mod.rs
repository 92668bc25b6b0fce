//! Taking in the rows of another store.

mod copy;
mod page;
mod session;

use std::sync::Arc;

use abide_core::{
    Key, Seq, StoreError,
    port::store::{Importing, Row},
};
use tokio::sync::Mutex;

use super::{
    connect::{Conn, Connector},
    fault::{Fault, Result},
    row::{key, number, seq},
    text::{escaped, unescaped},
};
use crate::import;
use session::Session;

/// Where rows are taken in, one page after the other, on a connection of their own.
pub(super) struct Importer {
    connector: Arc<Connector>,
    shards: u32,
    /// The import that is under way; after an error it is taken up again from what is stored.
    session: Mutex<Option<Session>>,
}

/// How far an import has come, as it is stored.
pub(super) struct Progress {
    pub(super) importing: Importing,
    /// How many objects have changes still to come.
    pub(super) open: u64,
}

/// What is stored of an import that is not finished.
pub(super) async fn progress(conn: &Conn) -> Result<Option<Progress>> {
    let (mut source, mut rows, mut open) = (None, 0, 0);
    for row in conn.query("SELECT name, value FROM meta WHERE name LIKE 'import\\_%'", &[]).await? {
        let value: &str = row.try_get(1)?;
        match row.try_get(0)? {
            "import_source" => source = Some(unescaped(value).into_owned()),
            "import_rows" => rows = count(value)?,
            "import_open" => open = count(value)?,
            _ => {}
        }
    }
    Ok(source.map(|source| Progress { importing: Importing { source, rows }, open }))
}

fn count(value: &str) -> Result<u64> {
    value.parse().map_err(|_| Fault::Value(format!("the table meta has {value:?} where a number belongs")))
}

/// Holds what a claim and the beginning and end of an import must not do at the same time.
pub(super) const HOLD: &str = "SELECT value FROM meta WHERE name = 'schema' FOR UPDATE";

impl Importer {
    pub(super) fn new(connector: Arc<Connector>, shards: u32) -> Self {
        Self { connector, shards, session: Mutex::default() }
    }

    /// Begins an import, or goes on with it, and says how many rows are in.
    pub(super) async fn begin(&self, source: String, replace: bool) -> Result<u64, StoreError> {
        let mut session = self.session.lock().await;
        *session = None;
        let conn = self.connector.connect_within(self.connector.options.wait).await?;
        begin(&conn, &source, replace).await?;
        let resumed = self.resume(conn).await?;
        let rows = resumed.rows();
        *session = Some(resumed);
        Ok(rows)
    }

    /// Takes in a page.
    pub(super) async fn take(&self, from: u64, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut slot = self.session.lock().await;
        let mut session = match slot.take() {
            Some(session) if session.is_usable() => session,
            _ => self.resume(self.connector.connect_within(self.connector.options.wait).await?).await?,
        };
        session.take(from, rows).await?;
        *slot = Some(session);
        Ok(())
    }

    /// Ends an import.
    pub(super) async fn done(&self, rows: u64) -> Result<(), StoreError> {
        let mut slot = self.session.lock().await;
        *slot = None;
        let conn = self.connector.connect_within(self.connector.options.wait).await?;
        end(&conn, rows).await?;
        self.connector.hints.news.tell_all();
        Ok(())
    }

    async fn resume(&self, conn: Conn) -> Result<Session> {
        let progress = progress(&conn).await?.ok_or_else(|| Fault::Refused(import::not_begun()))?;
        Session::new(conn, progress, self.shards).await
    }
}

/// Empties the store for an import, unless it is under way already.
async fn begin(conn: &Conn, source: &str, replace: bool) -> Result<()> {
    conn.run("BEGIN; SET LOCAL statement_timeout = 0").await?;
    conn.query(HOLD, &[]).await?;
    match progress(conn).await? {
        Some(there) if there.importing.source == source => return conn.run("ROLLBACK").await,
        Some(there) if !replace => return Err(Fault::Refused(import::another(&there.importing))),
        Some(_) => {}
        None => {
            let holds = "SELECT EXISTS (SELECT 1 FROM objects) OR EXISTS (SELECT 1 FROM outbox)";
            if !replace && conn.row(holds, &[]).await?.try_get::<_, bool>(0)? {
                return Err(Fault::Refused(import::not_empty()));
            }
        }
    }
    // Commits hold the rows of their shards: those that are under way end first, and later ones are fenced.
    conn.run("UPDATE shards SET epoch = epoch + 1, feed_floor = 0").await?;
    conn.run("TRUNCATE objects, log, alarms, outbox, received, outcomes").await?;
    conn.run("DELETE FROM meta WHERE name LIKE 'import\\_%'").await?;
    let id = ulid::Ulid::generate().to_string();
    conn.execute("UPDATE meta SET value = $1 WHERE name = 'id'", &[&id]).await?;
    let first = "INSERT INTO meta VALUES ('import_source', $1), ('import_rows', '0'), ('import_open', '0')";
    conn.execute(first, &[&&*escaped(source)]).await?;
    conn.run("COMMIT").await
}

/// Makes a whole store of what is in, if all of it is.
async fn end(conn: &Conn, rows: u64) -> Result<()> {
    conn.run("BEGIN; SET LOCAL statement_timeout = 0").await?;
    conn.query(HOLD, &[]).await?;
    let there = progress(conn).await?.ok_or_else(|| Fault::Refused(import::not_begun()))?;
    if there.importing.rows != rows {
        return Err(Fault::Refused(import::miscounted(&there.importing, rows)));
    }
    if there.open > 0 {
        let (key, last, head) = unfinished(conn).await?;
        return Err(Fault::Refused(import::cut_short(&key, last, head)));
    }
    conn.run("DELETE FROM meta WHERE name LIKE 'import\\_%'").await?;
    conn.run("COMMIT").await
}

/// An object whose changes do not lead to its head.
async fn unfinished(conn: &Conn) -> Result<(Key, Seq, Seq)> {
    let row = conn.row(UNFINISHED, &[]).await?;
    Ok((key(&row, 0)?, seq(&row, 3)?, Seq::new(number(&row, 4)?)))
}

const UNFINISHED: &str = "
    SELECT o.namespace, o.kind, o.id, greatest(o.floor, coalesce(l.seq, 0)), o.head
    FROM objects o LEFT JOIN (SELECT oid, max(seq) AS seq FROM log GROUP BY oid) l ON l.oid = o.oid
    WHERE o.head > greatest(o.floor, coalesce(l.seq, 0)) LIMIT 1";
