use std::{ops::Deref, sync::Arc};

use abide_core::port::{
    BoxFuture, Model,
    model::{ModelError, NoteSwap},
};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tokio_postgres::{Client, config::Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    fault::sentence,
    options::{PostgresOptions, Target},
};
use crate::error::OpenError;

/// How many connections a model has at most.
const CONNECTIONS: usize = 8;

/// Two that make the table at the same time would be in each other's way.
const TABLE: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(4702111234474983746);
    CREATE TABLE IF NOT EXISTS abide_projections (
      projection text NOT NULL, key text NOT NULL, value text NOT NULL, PRIMARY KEY (projection, key));
    COMMIT";

/// A read model in a PostgreSQL database: that of the store, or any other. A clone is another handle to it.
///
/// It has one table of Abide's, `abide_projections`, and whatever the projection makes.
#[derive(Clone)]
pub struct PostgresModel(Arc<Inner>);

struct Inner {
    servers: Vec<(String, Config)>,
    schema: Option<String>,
    name: String,
    tls: MakeRustlsConnect,
    idle: Mutex<Vec<Link>>,
    turns: Arc<Semaphore>,
}

/// A connection; it ends with this value, and the server then undoes what was not committed.
struct Link {
    client: Client,
    io: JoinHandle<()>,
}

/// A transaction: it dereferences to [`tokio_postgres::Client`].
pub struct PostgresTx {
    /// Taken when the transaction is over.
    link: Option<Link>,
    _turn: OwnedSemaphorePermit,
}

impl PostgresModel {
    /// The model in the database at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the options of
    /// a store's URL. With `schema=` its tables are in that schema, which has to be there; otherwise where
    /// the user's `search_path` says. Nothing is connected to before it is first used.
    ///
    /// # Errors
    /// [`OpenError`] if the URL cannot be read.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        let target = Target::parse(url, &mut PostgresOptions::default())?;
        let bad = |why| OpenError::BadUrl { url: crate::shown(url), why };
        let tls = super::tls::connector(&target.tls, target.client.as_ref()).map_err(bad)?;
        let named = url.split_once('?').is_some_and(|(_, query)| query.split('&').any(|p| p.starts_with("schema=")));
        Ok(Self(Arc::new(Inner {
            servers: target.servers,
            schema: named.then_some(target.schema),
            name: crate::shown(url),
            tls,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
        })))
    }
}

impl std::fmt::Debug for PostgresModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PostgresModel").field(&self.0.name).finish()
    }
}

impl std::fmt::Debug for PostgresTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresTx").finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.io.abort();
    }
}

impl Inner {
    /// Connects to the first server that accepts writes.
    async fn connect(&self) -> Result<Link, ModelError> {
        let mut told = Vec::new();
        for (name, config) in &self.servers {
            match self.connect_to(config).await {
                Ok(link) => return Ok(link),
                Err(error) => told.push(format!("{name}: {error}")),
            }
        }
        Err(ModelError(told.join("; ")))
    }

    async fn connect_to(&self, config: &Config) -> Result<Link, ModelError> {
        let (client, connection) = config.connect(self.tls.clone()).await.map_err(said)?;
        #[expect(clippy::disallowed_methods, reason = "it ends with the connection, which is aborted on drop")]
        let io = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %sentence(&error), "a connection to PostgreSQL ended");
            }
        });
        let link = Link { client, io };
        if let Some(schema) = &self.schema {
            link.client.batch_execute(&format!("SET search_path TO \"{schema}\"")).await.map_err(said)?;
        }
        let only_reads =
            "SELECT current_setting('transaction_read_only') = 'on', to_regclass('abide_projections') IS NULL";
        let found = link.client.query_one(only_reads, &[]).await.map_err(said)?;
        if found.get(0) {
            return Err(ModelError("it only reads: name the primary, or all servers".into()));
        }
        if found.get(1) {
            link.client.batch_execute(TABLE).await.map_err(said)?;
        }
        Ok(link)
    }
}

impl PostgresTx {
    fn link(&self) -> &Link {
        self.link.as_ref().unwrap_or_else(|| unreachable!("BUG: a transaction is used after its end"))
    }

    async fn swap(&self, projection: &str, notes: Vec<NoteSwap>) -> Result<bool, ModelError> {
        let (mut made, mut changed, mut removed) = (Table::default(), Table::default(), Table::default());
        for NoteSwap { key, before, after } in notes {
            match (before, after) {
                (None, None) => {}
                (None, Some(after)) => made.push(key, String::new(), after),
                (Some(before), Some(after)) => changed.push(key, before, after),
                (Some(before), None) => removed.push(key, before, String::new()),
            }
        }
        for (sql, table) in [(MAKE, made), (CHANGE, changed), (REMOVE, removed)] {
            if table.keys.is_empty() {
                continue;
            }
            let Table { keys, before, after } = &table;
            let done = self.execute(sql, &[&projection, keys, before, after]).await.map_err(said)?;
            if done != keys.len() as u64 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[derive(Default)]
struct Table {
    keys: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Table {
    fn push(&mut self, key: String, before: String, after: String) {
        self.keys.push(key);
        self.before.push(before);
        self.after.push(after);
    }
}

// Rows are taken in the order of their keys, so that two transactions wait for each other in one order.
const MAKE: &str = "
    INSERT INTO abide_projections (projection, key, value)
    SELECT $1::text, n.key, n.after FROM unnest($2::text[], $3::text[], $4::text[]) AS n(key, before, after)
    ORDER BY n.key ON CONFLICT DO NOTHING";
const CHANGE: &str = "
    UPDATE abide_projections p SET value = n.after
    FROM unnest($2::text[], $3::text[], $4::text[]) AS n(key, before, after)
    WHERE p.projection = $1::text AND p.key = n.key AND p.value = n.before";
const REMOVE: &str = "
    DELETE FROM abide_projections p
    USING unnest($2::text[], $3::text[], $4::text[]) AS n(key, before, after)
    WHERE p.projection = $1::text AND p.key = n.key AND p.value = n.before";

impl Deref for PostgresTx {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.link().client
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped by")]
fn said(error: tokio_postgres::Error) -> ModelError {
    ModelError(sentence(&error))
}

impl Model for PostgresModel {
    type Tx = PostgresTx;

    fn begin(&self) -> BoxFuture<'_, Result<PostgresTx, ModelError>> {
        Box::pin(async {
            let turn = self.0.turns.clone().acquire_owned().await.map_err(ModelError::of)?;
            loop {
                let idle = self.0.idle.lock().pop();
                let fresh = idle.is_none();
                let link = match idle {
                    Some(link) => link,
                    None => self.0.connect().await?,
                };
                match link.client.batch_execute("BEGIN").await {
                    Ok(()) => return Ok(PostgresTx { link: Some(link), _turn: turn }),
                    Err(error) if fresh => return Err(said(error)),
                    // It broke while nobody used it.
                    Err(_) => {}
                }
            }
        })
    }

    fn held<'t>(
        &'t self,
        tx: &'t mut PostgresTx,
        projection: &'t str,
        keys: Vec<String>,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let sql = "SELECT key, value FROM abide_projections WHERE projection = $1 AND key = ANY($2) FOR SHARE";
        Box::pin(async move {
            let found = tx.query(sql, &[&projection, &keys]).await.map_err(said)?;
            Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    fn notes<'t>(
        &'t self,
        tx: &'t mut PostgresTx,
        projection: &'t str,
        prefix: &'t str,
    ) -> BoxFuture<'t, Result<Vec<(String, String)>, ModelError>> {
        let sql = "SELECT key, value FROM abide_projections WHERE projection = $1 AND starts_with(key, $2)";
        Box::pin(async move {
            let found = tx.query(sql, &[&projection, &prefix]).await.map_err(said)?;
            Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
        })
    }

    fn swap<'t>(
        &'t self,
        tx: &'t mut PostgresTx,
        projection: &'t str,
        notes: Vec<NoteSwap>,
    ) -> BoxFuture<'t, Result<bool, ModelError>> {
        Box::pin(tx.swap(projection, notes))
    }

    fn forget<'t>(&'t self, tx: &'t mut PostgresTx, projection: &'t str) -> BoxFuture<'t, Result<(), ModelError>> {
        Box::pin(async move {
            let removed = tx.execute("DELETE FROM abide_projections WHERE projection = $1", &[&projection]).await;
            removed.map(drop).map_err(said)
        })
    }

    fn commit(&self, mut tx: PostgresTx) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(async move {
            // A COMMIT of what an error has ended is answered as if it were one: a SELECT is refused there.
            tx.batch_execute("SELECT 1; COMMIT").await.map_err(said)?;
            self.0.idle.lock().extend(tx.link.take());
            Ok(())
        })
    }
}
