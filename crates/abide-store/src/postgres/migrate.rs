use std::time::Duration;

use abide_core::key::SHARDS_DEFAULT;
use tokio::time::sleep;

use super::{
    connect::{Conn, Connector},
    fault::{Fault, Result},
};
use crate::error::OpenError;

/// What leads from each schema version to the next; the first creates version 1.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_first.sql"), include_str!("migrations/0002_alarms_of_principals.sql")];

/// How often a lock that another process holds is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The schema version this program writes.
pub(super) fn schema() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// What a store is, once and for all.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) shards: u32,
}

/// Creates the tables or brings them up to date, one process at a time, and says what the store is.
pub(super) async fn migrate(conn: &Conn, connector: &Connector) -> Result<Meta, OpenError> {
    let opening = |fault: Fault| opening(&fault, connector);
    let found = version(conn).await.map_err(opening)?;
    // To be looked at only: its tables are left as they are.
    if !connector.options.create {
        let path = connector.target.name.clone().into();
        match found {
            None => return Err(OpenError::NotThere { path }),
            Some(found) if found < schema() => {
                return Err(OpenError::OlderSchema { path, found, known: schema() });
            }
            Some(_) => {}
        }
    }
    if found != Some(schema()) {
        lock(conn, connector).await.map_err(opening)?;
        let done = step(conn, connector).await;
        // The lock ends with the connection, if not so.
        let unlocked = unlock(conn, connector).await.map_err(opening);
        done.and(unlocked)?;
    }
    let meta = meta(conn).await.map_err(opening)?;
    match connector.options.shards {
        Some(wanted) if wanted != meta.shards => {
            Err(OpenError::Shards { path: connector.target.name.clone().into(), found: meta.shards, wanted })
        }
        _ => Ok(meta),
    }
}

/// A fault while a store is opened.
pub(super) fn opening(fault: &Fault, connector: &Connector) -> OpenError {
    OpenError::Failed { path: connector.target.name.clone().into(), why: fault.sentence() }
}

/// All steps in one transaction, so that a crash leaves the old schema or the new one.
async fn step(conn: &Conn, connector: &Connector) -> Result<(), OpenError> {
    let path = || connector.target.name.clone().into();
    let opening = |fault: Fault| opening(&fault, connector);
    let found = version(conn).await.map_err(opening)?;
    match found {
        Some(found) if found > schema() => {
            return Err(OpenError::NewerSchema { path: path(), found, known: schema() });
        }
        Some(found) if found == schema() => return Ok(()),
        None if tables(conn, connector).await.map_err(opening)? > 0 => {
            let why = format!("the schema {} has tables of another program", connector.target.schema);
            return Err(OpenError::NotAStore { path: path(), why });
        }
        _ => {}
    }
    let from = found.unwrap_or(0);
    let mut script = String::from("BEGIN; ");
    if found.is_none() {
        script += &format!("CREATE SCHEMA IF NOT EXISTS \"{}\"; ", connector.target.schema);
        script += "CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL);\n";
    }
    script.extend(MIGRATIONS.iter().skip(from as usize).copied());
    if found.is_none() {
        let shards = connector.options.shards.unwrap_or(SHARDS_DEFAULT).max(1);
        let id = ulid::Ulid::generate();
        script += &format!(
            "INSERT INTO meta VALUES ('id', '{id}'), ('shards', '{shards}'), ('schema', '0');
             INSERT INTO shards SELECT n, 0, 0 FROM generate_series(0, {shards} - 1) AS n;\n"
        );
    }
    script += &format!("UPDATE meta SET value = '{}' WHERE name = 'schema'; COMMIT", schema());
    let done = conn.run(&script).await;
    if done.is_err() {
        let _ = conn.run("ROLLBACK").await;
    }
    done.map_err(opening)
}

/// The version of the tables; `None` if there are none.
async fn version(conn: &Conn) -> Result<Option<u32>> {
    let there = conn.query("SELECT to_regclass('meta') IS NOT NULL", &[]).await?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    match conn.query("SELECT value FROM meta WHERE name = 'schema'", &[]).await?.first() {
        Some(row) => number(row.try_get(0)?).map(Some),
        None => Ok(None),
    }
}

async fn tables(conn: &Conn, connector: &Connector) -> Result<i64> {
    let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1";
    Ok(conn.row(sql, &[&connector.target.schema]).await?.try_get(0)?)
}

async fn meta(conn: &Conn) -> Result<Meta> {
    let mut shards = 0;
    for row in conn.query("SELECT name, value FROM meta", &[]).await? {
        if row.try_get::<_, &str>(0)? == "shards" {
            shards = number(row.try_get(1)?)?;
        }
    }
    if shards == 0 {
        return Err(Fault::Value("the table meta does not say how many shards there are".into()));
    }
    Ok(Meta { shards })
}

fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| Fault::Value(format!("the table meta has {text:?} where a number belongs")))
}

/// Takes the lock under which tables and indexes are made. It is asked for rather than waited for: a
/// statement that waits would keep an index from being made beside it.
pub(super) async fn lock(conn: &Conn, connector: &Connector) -> Result<()> {
    let name = format!("abide:{}", connector.target.schema);
    while !conn.row("SELECT pg_try_advisory_lock(hashtext($1))", &[&name]).await?.try_get::<_, bool>(0)? {
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

/// Gives the lock back.
pub(super) async fn unlock(conn: &Conn, connector: &Connector) -> Result<()> {
    let name = format!("abide:{}", connector.target.schema);
    conn.row("SELECT pg_advisory_unlock(hashtext($1))", &[&name]).await?;
    Ok(())
}
