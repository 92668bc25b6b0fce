use abide_core::port::store::Status;

use crate::postgres::{connect::SharedConn, fault::Result, import, migrate, row::number};

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

const OBJECTS: &str = "SELECT kind, count(*) FROM objects WHERE state IS NOT NULL GROUP BY kind ORDER BY kind";

const COUNTS: &str = "
    SELECT (SELECT coalesce(sum(head - floor), 0)::bigint FROM objects),
           (SELECT count(*) FROM alarms WHERE NOT dead), (SELECT count(*) FROM alarms WHERE dead),
           (SELECT count(*) FROM outbox), (SELECT count(*) FROM outcomes)";

const BYTES: &str = "
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'";
