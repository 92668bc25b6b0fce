use abide_core::port::store::Status;

use crate::postgres::{
    connect::SharedConn,
    fault::Result,
    import, migrate,
    row::{self, number},
    text::escaped,
};

pub(in crate::postgres) async fn status(conn: SharedConn) -> Result<Status> {
    // An import gives the store another one.
    let id = conn.row("SELECT value FROM meta WHERE name = 'id'", &[]).await?.try_get(0)?;
    let importing = import::progress(&conn).await?.map(|progress| progress.importing);
    let mut status = Status { store: "postgres".into(), id, schema: migrate::schema(), importing, ..Status::default() };
    for row in conn.query(OBJECTS, &[]).await? {
        status.objects.push((row.try_get(0)?, number(&row, 1)?));
    }
    for row in conn.query("SELECT kind, path FROM indexes ORDER BY kind, path", &[]).await? {
        status.indexes.push((row.try_get(0)?, row.try_get(1)?));
    }
    let counts = conn.row(COUNTS, &[]).await?;
    status.changes = number(&counts, 0)?;
    status.alarms = number(&counts, 1)?;
    status.dead_alarms = number(&counts, 2)?;
    status.outbox = number(&counts, 3)?;
    status.outcomes = number(&counts, 4)?;
    // Not every database that speaks PostgreSQL's language can say it.
    status.bytes = conn.row(BYTES, &[]).await.and_then(|row| number(&row, 0)).unwrap_or(0);
    Ok(status)
}

/// A text that was kept under a name.
pub(in crate::postgres) async fn note(conn: SharedConn, name: &'static str) -> Result<Option<String>> {
    let rows = conn.query("SELECT value FROM meta WHERE name = 'note_' || $1::text", &[&name]).await?;
    rows.first().map(|row| row::text(row, 0)).transpose()
}

/// Keeps a text under a name, and gives what is there now. Doing it again does no harm.
pub(in crate::postgres) async fn set_note(
    conn: SharedConn,
    name: &'static str,
    text: String,
    replace: bool,
) -> Result<String> {
    let sql = if replace { REPLACE_NOTE } else { KEEP_NOTE };
    conn.execute(sql, &[&name, &&*escaped(&text)]).await?;
    note(conn, name).await.map(Option::unwrap_or_default)
}

const KEEP_NOTE: &str =
    "INSERT INTO meta (name, value) VALUES ('note_' || $1::text, $2::text) ON CONFLICT (name) DO NOTHING";

const REPLACE_NOTE: &str = "
    INSERT INTO meta (name, value) VALUES ('note_' || $1::text, $2::text)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

const OBJECTS: &str = "SELECT kind, count(*) FROM objects WHERE state IS NOT NULL GROUP BY kind ORDER BY kind";

const COUNTS: &str = "
    SELECT (SELECT coalesce(sum(head - floor), 0)::bigint FROM objects),
           (SELECT count(*) FROM alarms WHERE NOT dead), (SELECT count(*) FROM alarms WHERE dead),
           (SELECT count(*) FROM outbox), (SELECT count(*) FROM outcomes)";

const BYTES: &str = "
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'";
