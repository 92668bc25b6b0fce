use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use abide_core::port::{
    BoxFuture, Model,
    model::{ModelError, NoteSwap},
};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a transaction waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// How many statements stay prepared.
const STATEMENTS: usize = 64;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS abide_projections (
      projection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (projection, key)
    ) STRICT, WITHOUT ROWID";

/// A read model in an SQLite file of its own. A clone is another handle to the same file.
///
/// The file is in WAL mode: any program may read it meanwhile, in `sqlite3` or through a connection of its
/// own. It has one table of Abide's, `abide_projections`, and whatever the projection makes.
#[derive(Clone, Debug)]
pub struct SqliteModel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    idle: Mutex<Option<Connection>>,
    /// One transaction at a time.
    turn: Arc<Semaphore>,
}

/// A transaction: it dereferences to [`rusqlite::Connection`].
#[derive(Debug)]
pub struct SqliteTx {
    /// Taken when the transaction is over.
    conn: Option<Connection>,
    home: Arc<Inner>,
    _turn: OwnedSemaphorePermit,
}

impl SqliteModel {
    /// The model in the file at `path`, which is made if it is not there when it is first used.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let inner = Inner { path: path.as_ref().into(), idle: Mutex::new(None), turn: Arc::new(Semaphore::new(1)) };
        Self(Arc::new(inner))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Inner {
    fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = Connection::open(&self.path)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.execute_batch(TABLE)?;
        Ok(conn)
    }
}

impl SqliteTx {
    fn conn(&self) -> &Connection {
        self.conn.as_ref().unwrap_or_else(|| unreachable!("BUG: a transaction is used after its end"))
    }

    fn get(&self, projection: &str, key: &str) -> rusqlite::Result<Option<String>> {
        let mut find = self.prepare_cached("SELECT value FROM abide_projections WHERE projection = ? AND key = ?")?;
        find.query_row((projection, key), |row| row.get(0)).optional()
    }

    fn set(&self, projection: &str, note: &NoteSwap) -> rusqlite::Result<()> {
        match &note.after {
            Some(text) => {
                let sql = "INSERT OR REPLACE INTO abide_projections (projection, key, value) VALUES (?, ?, ?)";
                self.prepare_cached(sql)?.execute((projection, &note.key, text))?;
            }
            None => {
                let sql = "DELETE FROM abide_projections WHERE projection = ? AND key = ?";
                self.prepare_cached(sql)?.execute((projection, &note.key))?;
            }
        }
        Ok(())
    }
}

impl Deref for SqliteTx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn()
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        // A connection that cannot be brought back to rest is not used again.
        if conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok() {
            *self.home.idle.lock() = Some(conn);
        }
    }
}

fn done<'t, T: Send + 't>(result: rusqlite::Result<T>) -> BoxFuture<'t, Result<T, ModelError>> {
    Box::pin(std::future::ready(result.map_err(ModelError::of)))
}

impl Model for SqliteModel {
    type Tx = SqliteTx;

    fn blocks(&self) -> bool {
        true
    }

    fn begin(&self) -> BoxFuture<'_, Result<SqliteTx, ModelError>> {
        Box::pin(async {
            let turn = self.0.turn.clone().acquire_owned().await.map_err(ModelError::of)?;
            let idle = self.0.idle.lock().take();
            let begun = idle.map_or_else(|| self.0.connect(), Ok).and_then(|conn| {
                conn.execute_batch("BEGIN IMMEDIATE")?;
                Ok(conn)
            });
            let conn = begun.map_err(|error| ModelError(format!("{}: {error}", self.0.path.display())))?;
            Ok(SqliteTx { conn: Some(conn), home: self.0.clone(), _turn: turn })
        })
    }

    fn held<'t>(
        &'t self,
        tx: &'t mut SqliteTx,
        projection: &'t str,
        keys: Vec<String>,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let found = keys.into_iter().filter_map(|key| match tx.get(projection, &key) {
            Ok(text) => Some(Ok((key, text?))),
            Err(error) => Some(Err(error)),
        });
        done(found.collect())
    }

    fn notes<'t>(
        &'t self,
        tx: &'t mut SqliteTx,
        projection: &'t str,
        prefix: &'t str,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let sql = "SELECT key, value FROM abide_projections
                   WHERE projection = ?1 AND substr(key, 1, length(?2)) = ?2 ORDER BY key";
        let read = || -> rusqlite::Result<Vec<(String, String)>> {
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map((projection, prefix), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        done(read())
    }

    fn swap<'t>(
        &'t self,
        tx: &'t mut SqliteTx,
        projection: &'t str,
        notes: Vec<NoteSwap>,
    ) -> BoxFuture<'t, Result<bool, ModelError>> {
        let write = || -> rusqlite::Result<bool> {
            for note in &notes {
                if tx.get(projection, &note.key)? != note.before {
                    return Ok(false);
                }
                tx.set(projection, note)?;
            }
            Ok(true)
        };
        done(write())
    }

    fn forget<'t>(&'t self, tx: &'t mut SqliteTx, projection: &'t str) -> BoxFuture<'t, Result<(), ModelError>> {
        done(tx.execute("DELETE FROM abide_projections WHERE projection = ?", [projection]).map(drop))
    }

    fn commit(&self, tx: SqliteTx) -> BoxFuture<'_, Result<(), ModelError>> {
        done(tx.execute_batch("COMMIT"))
    }
}
