use std::{
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Options, Postgres, programs::Programs, sql};
use crate::ServiceError;

/// Names a server to use instead of starting one.
const VARIABLE: &str = "ABIDE_TEST_POSTGRES";

static SERVER: Mutex<Option<Postgres>> = Mutex::new(None);

/// A schema of its own in a server that all tests of a process share. Dropping it drops the schema,
/// where `psql` is installed.
#[derive(Debug)]
pub struct Shared {
    server: String,
    schema: String,
}

/// A fresh schema in the server that `ABIDE_TEST_POSTGRES` names, or in one that is started for this
/// process and ends with it.
///
/// # Errors
/// What is missing on this machine, or what the server printed.
pub fn shared() -> Result<Shared, ServiceError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let schema = format!("abide_test_{}_{n}_{nanos}", process::id());
    Ok(Shared { server: server()?, schema })
}

fn server() -> Result<String, ServiceError> {
    if let Ok(url) = std::env::var(VARIABLE) {
        return Ok(url);
    }
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if server.is_none() {
        // The watcher of its process ends it after this one: a static is never dropped.
        *server = Some(Postgres::start_with(&Options { fsync: false, ..Options::default() })?);
    }
    Ok(server.as_ref().map(Postgres::url).unwrap_or_default())
}

impl Shared {
    /// Where the schema is, as a store's URL.
    pub fn url(&self) -> String {
        let between = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{between}schema={}", self.server, self.schema)
    }

    /// The server's URL, without the schema.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The schema's name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Runs SQL through `psql` within the schema.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, text: &str) -> Result<String, ServiceError> {
        let text = format!("SET search_path TO \"{}\"; {text}", self.schema);
        sql(&Programs::find()?, &self.server, &text)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Only a server that stays needs to be left as it was found.
        if std::env::var_os(VARIABLE).is_some() {
            let drop = format!("SET client_min_messages = error; DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema);
            let _ = Programs::find().and_then(|programs| sql(&programs, &self.server, &drop));
        }
    }
}
