use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Config, Row, Statement, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    fault::{Fault, Result, sentence},
    hints::Hints,
    options::{PostgresOptions, Target},
};
use crate::doubt::Doubts;

/// The first pause between two attempts to connect; each further one is up to twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(25);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a transaction may wait for this process before the server ends it: what it holds would keep
/// a new owner from claiming.
const IDLE_MAX: Duration = Duration::from_secs(5);

pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// Where to connect to, and how.
pub(super) struct Connector {
    pub(super) target: Target,
    pub(super) options: PostgresOptions,
    tls: MakeRustlsConnect,
    pub(super) hints: Arc<Hints>,
    pub(super) doubts: Doubts,
    /// Tells the connections of this store from others, so that it ends none but its own.
    application: String,
}

/// A connection to a server that accepts writes.
pub(super) struct Conn {
    client: Client,
    /// The process at the server.
    pub(super) process: i32,
    statements: Mutex<FxHashMap<&'static str, Statement>>,
    /// Whether the planner was told to go by indexes.
    tuned: AtomicBool,
    /// Moves bytes; ends with this value, so that the server notices at once.
    io: JoinHandle<()>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(target: Target, options: PostgresOptions) -> Result<Self, String> {
        let tls = super::tls::connector(&target.tls, target.client.as_ref())?;
        let application = format!("abide {}", ulid::Ulid::generate());
        let hints = Arc::new(Hints::new(&target.schema));
        Ok(Self { target, options, tls, hints, doubts: Doubts::new(), application })
    }

    /// Connects to the first server that is there and accepts writes.
    pub(super) async fn connect(&self) -> Result<Conn> {
        let mut faults = Vec::new();
        for (name, config) in &self.target.servers {
            let limit = self.options.connect_timeout;
            let connected = timeout(limit, self.connect_to(name, config)).await;
            match connected.unwrap_or_else(|_| Err(Fault::Lost(format!("no answer within {limit:?}")))) {
                Ok(conn) => return Ok(conn),
                Err(fault) => faults.push(fault),
            }
        }
        let names = self.target.servers.iter().map(|(name, _)| name);
        let told: Vec<String> =
            names.zip(&faults).map(|(name, fault)| format!("{name}: {}", fault.sentence())).collect();
        let told = told.join("; ");
        // With one server the fault itself says most.
        match faults.pop() {
            Some(fault @ (Fault::Postgres(_) | Fault::ReadOnly(_))) if self.target.servers.len() == 1 => Err(fault),
            _ => Err(Fault::Lost(told)),
        }
    }

    async fn connect_to(&self, name: &str, config: &Config) -> Result<Conn> {
        let mut config = config.clone();
        config.application_name(&self.application);
        let (client, mut connection) = config.connect(self.tls.clone()).await?;
        let hints = Arc::clone(&self.hints);
        #[expect(clippy::disallowed_methods, reason = "it ends with the connection, which is aborted on drop")]
        let io = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(told)) => hints.heard(&told),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(error = %sentence(&error), "a connection to PostgreSQL ended");
                        return;
                    }
                }
            }
        });
        let limit = self.options.statement_timeout;
        let mut conn =
            Conn { client, process: 0, statements: Mutex::default(), tuned: AtomicBool::new(false), io, limit };
        let settings = format!(
            "SET search_path TO \"{}\"; SET statement_timeout = {}; SET lock_timeout = 0; \
             SET idle_in_transaction_session_timeout = {}; \
             SET standard_conforming_strings = on; SET client_min_messages = warning",
            self.target.schema,
            limit.as_millis(),
            IDLE_MAX.as_millis(),
        );
        conn.client.batch_execute(&settings).await?;
        let found = conn.client.query_one(
            "SELECT pg_backend_pid(), current_setting('transaction_read_only'), current_setting('server_encoding')",
            &[],
        );
        let found = found.await?;
        conn.process = found.try_get(0)?;
        if found.try_get::<_, &str>(1)? == "on" {
            return Err(Fault::ReadOnly(format!(
                "{name} only reads: it is a standby, or default_transaction_read_only is on; \
                 name the primary, or all servers as HOST1,HOST2, and this waits until one of them accepts writes"
            )));
        }
        let encoding: &str = found.try_get(2)?;
        if encoding != "UTF8" {
            return Err(Fault::Lost(format!(
                "the database has the encoding {encoding}: create one with ENCODING 'UTF8' TEMPLATE template0"
            )));
        }
        Ok(conn)
    }

    /// Connects, again and again until it works or `wait` is over.
    pub(super) async fn connect_within(&self, wait: Duration) -> Result<Conn> {
        #[expect(clippy::disallowed_methods, reason = "a real server is away for a real time")]
        let end = Instant::now() + wait;
        let mut pause = PAUSE_FIRST;
        loop {
            let fault = match self.connect().await {
                Ok(conn) => return Ok(conn),
                Err(fault) => fault,
            };
            #[expect(clippy::disallowed_methods, reason = "a real server is away for a real time")]
            let now = Instant::now();
            if now + pause >= end || !is_worth_waiting(&fault) {
                return Err(fault);
            }
            tracing::debug!(error = %fault.sentence(), "PostgreSQL is away; trying again");
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Ends a process of this store at the server that may still be at work, and waits until it is gone.
    pub(super) async fn end(&self, conn: &Conn, process: i32) -> Result<()> {
        let gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2";
        let wait = self.options.wait;
        let ended = async {
            while !conn.query(gone, &[&process, &self.application]).await?.is_empty() {
                sleep(PAUSE_FIRST).await;
            }
            Ok(())
        };
        timeout(wait, ended).await.unwrap_or_else(|_| {
            Err(Fault::Lost(format!(
                "PostgreSQL still runs process {process}, which lost its connection, after {wait:?}"
            )))
        })
    }
}

/// A wrong password or a missing database does not get better by waiting.
fn is_worth_waiting(fault: &Fault) -> bool {
    match fault {
        Fault::Postgres(error) => error.code().is_none_or(|code| !matches!(&code.code()[..2], "28" | "3D")),
        Fault::Lost(_) | Fault::ReadOnly(_) => true,
        Fault::Value(_) | Fault::TooLarge(_) | Fault::Refused(_) | Fault::Moved => false,
    }
}

/// Between half of a pause and all of it, so that those who lost the same server do not come back at once.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(pause);
    pause / 2 + pause.mul_f64((random % 1_000) as f64 / 2_000.0)
}

impl Conn {
    /// Whether it is of no more use.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn is_tuned(&self) -> bool {
        self.tuned.load(Ordering::Relaxed)
    }

    /// Has the planner go by indexes: to a planner without statistics a whole table looks short. A server
    /// without these settings goes its own way.
    pub(super) async fn tune(&self) -> Result<()> {
        let done =
            match self.run("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off").await {
                Err(fault) if fault.is_lost() => Err(fault),
                _ => Ok(()),
            };
        self.tuned.store(done.is_ok(), Ordering::Relaxed);
        done
    }

    /// The prepared statement of this text.
    pub(super) async fn statement(&self, sql: &'static str) -> Result<Statement> {
        let known = self.statements.lock().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.limited(self.client.prepare(sql)).await?;
        self.statements.lock().insert(sql, statement.clone());
        Ok(statement)
    }

    /// The rows of a prepared statement.
    pub(super) async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>> {
        let statement = self.statement(sql).await?;
        self.limited(self.client.query(&statement, values)).await
    }

    /// The one row of a prepared statement.
    pub(super) async fn row(&self, sql: &'static str, values: Values<'_>) -> Result<Row> {
        let statement = self.statement(sql).await?;
        self.limited(self.client.query_one(&statement, values)).await
    }

    /// How many rows a prepared statement changed.
    pub(super) async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64> {
        let statement = self.statement(sql).await?;
        self.limited(self.client.execute(&statement, values)).await
    }

    /// Runs statements without values.
    pub(super) async fn run(&self, sql: &str) -> Result<()> {
        self.limited(self.client.batch_execute(sql)).await
    }

    /// The client itself, for what is sent without waiting.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for an answer, but not for ever: the server ends a statement in time if it lives.
    pub(super) async fn limited<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T> {
        let limit = self.limit + self.limit / 4;
        match timeout(limit, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::Lost(format!("PostgreSQL gave no answer within {limit:?}"))),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.io.abort();
    }
}

/// A connection that several may use at once.
pub(super) type SharedConn = Arc<Conn>;
