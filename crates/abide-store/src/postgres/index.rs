use std::collections::BTreeSet;

use abide_core::{filter::Path, port::store::KindIndexes};
use tokio_postgres::error::SqlState;

use super::{
    connect::{Conn, Connector},
    fault::{Fault, Result},
    field::Field,
    migrate::{lock, unlock},
    row::number,
};

/// Makes the indexes of these kinds what is wanted, one process at a time. Writers are not kept waiting
/// where the server can do without.
pub(super) async fn make(conn: &Conn, connector: &Connector, wanted: &[KindIndexes]) -> Result<()> {
    if is_made(conn, wanted).await? {
        return Ok(());
    }
    lock(conn, connector).await?;
    // Making an index takes as long as it takes.
    conn.run("SET statement_timeout = 0").await?;
    let done = async {
        for KindIndexes { kind, paths } in wanted {
            make_kind(conn, kind.as_str(), paths).await?;
        }
        Ok(())
    }
    .await;
    let unlocked = unlock(conn, connector).await;
    done.and(unlocked)
}

async fn is_made(conn: &Conn, wanted: &[KindIndexes]) -> Result<bool> {
    for KindIndexes { kind, paths } in wanted {
        let there: BTreeSet<String> = made(conn, kind.as_str()).await?.into_iter().map(|(_, path)| path).collect();
        if there != paths.iter().map(Path::to_string).collect() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn make_kind(conn: &Conn, kind: &str, paths: &[Path]) -> Result<()> {
    let wanted: BTreeSet<String> = paths.iter().map(Path::to_string).collect();
    let mut there = BTreeSet::new();
    for (number, path) in made(conn, kind).await? {
        if wanted.contains(&path) {
            there.insert(path);
            continue;
        }
        let number = number.cast_signed();
        conn.execute("DELETE FROM indexes WHERE number = $1::bigint", &[&number]).await?;
        drop_index(conn, number).await?;
    }
    for path in paths.iter().filter(|path| !there.contains(&path.to_string())) {
        let next = conn.row("SELECT 1 + coalesce(max(number), 0)::bigint FROM indexes", &[]).await?;
        let number = number(&next, 0)?.cast_signed();
        // What an earlier attempt left is not to be trusted.
        drop_index(conn, number).await?;
        let rest = Field::new(path).indexed(&format!("indexed_{number}"), kind);
        concurrently(conn, "CREATE INDEX", &rest).await?;
        let sql = "INSERT INTO indexes (kind, path, number) VALUES ($1, $2, $3::bigint) ON CONFLICT DO NOTHING";
        conn.execute(sql, &[&kind, &path.to_string(), &number]).await?;
    }
    Ok(())
}

async fn drop_index(conn: &Conn, number: i64) -> Result<()> {
    concurrently(conn, "DROP INDEX", &format!("IF EXISTS indexed_{number}")).await
}

/// Beside what goes on, if the server knows how to.
async fn concurrently(conn: &Conn, what: &str, rest: &str) -> Result<()> {
    match conn.client().batch_execute(&format!("{what} CONCURRENTLY {rest}")).await {
        Err(error)
            if error
                .code()
                .is_some_and(|code| [SqlState::FEATURE_NOT_SUPPORTED, SqlState::SYNTAX_ERROR].contains(code)) =>
        {
            conn.client().batch_execute(&format!("{what} {rest}")).await.map_err(Fault::from)
        }
        done => done.map_err(Fault::from),
    }
}

async fn made(conn: &Conn, kind: &str) -> Result<Vec<(u64, String)>> {
    let rows = conn.query("SELECT number, path FROM indexes WHERE kind = $1", &[&kind]).await?;
    rows.iter().map(|row| Ok((number(row, 0)?, row.try_get(1)?))).collect()
}
