use std::time::Duration;

use abide::{
    Store as _,
    store::{OpenError, SqliteOptions, SqliteStore},
};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    config::format_size,
    failure::{Failure, Outcome},
    output::Table,
    session::Session,
    store_file,
};

/// How many faults `verify` shows.
const FAULTS_MAX: usize = 1000;

/// Look after a store: create it, bring it up to date, check it, count what is in it.
#[derive(Args, Debug)]
pub(crate) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a store, or leave one that is there as it is.
    Init(Which),
    /// Bring the tables of a store up to date. A node does so by itself when it starts.
    Migrate(Which),
    /// Check the whole store, also while a node is running on it.
    Verify(Which),
    /// Count what is in a store, also while a node is running on it.
    Status(Which),
}

#[derive(Args, Debug)]
struct Which {
    /// The store.
    #[arg(value_name = "URL", env = "ABIDE_STORE", default_value = store_file::DEFAULT)]
    store: String,
}

impl Which {
    fn open(&self, alone: bool) -> Outcome<SqliteStore> {
        store_file::open(store_file::path(&self.store)?, alone)
    }
}

impl Store {
    /// Does it.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self.action {
            Action::Init(which) => init(session, &which).await,
            Action::Migrate(which) => {
                let store = which.open(true)?;
                ready(session, &which, &store, "is up to date").await
            }
            Action::Verify(which) => verify(session, &which).await,
            Action::Status(which) => status(session, &which).await,
        }
    }
}

async fn init(session: &Session, which: &Which) -> Outcome {
    let path = store_file::path(&which.store)?;
    let what = if path.exists() { "is there already" } else { "is created" };
    match SqliteStore::open(path, SqliteOptions::default()) {
        Ok(store) => ready(session, which, &store, what).await,
        Err(OpenError::Locked { .. }) => {
            ready(session, which, &which.open(false)?, "is there already, and a node is running on it").await
        }
        Err(error) => Err(error.into()),
    }
}

async fn ready(session: &Session, which: &Which, store: &SqliteStore, what: &str) -> Outcome {
    let (schema, shards) = (store.status().await?.schema, store.shards());
    match session.output.is_json() {
        true => session.output.value(&json!({"store": which.store, "schema": schema, "shards": shards})),
        false => session.output.line(format!("{} {what}: schema {schema}, {shards} shards", which.store)),
    }
}

async fn verify(session: &Session, which: &Which) -> Outcome {
    let store = which.open(false)?;
    let output = &session.output;
    let spinner = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    spinner.set_message(format!("checking {}", which.store));
    spinner.enable_steady_tick(Duration::from_millis(100));
    let faults = store.verify(FAULTS_MAX).await;
    spinner.finish_and_clear();
    let faults = faults?;
    if output.is_json() {
        output.value(&json!({"store": which.store, "sound": faults.is_empty(), "faults": faults}))?;
    } else {
        faults.iter().try_for_each(|fault| output.line(fault))?;
    }
    match faults.len() {
        0 if output.is_json() => Ok(()),
        0 => output.line(format!("{} is sound", which.store)),
        many => {
            Err(Failure::new("damaged", format!("{many} faults found")).hint("restore a backup with `abide restore`"))
        }
    }
}

async fn status(session: &Session, which: &Which) -> Outcome {
    let status = store_file::look(&which.store).await?.status().await?;
    let output = &session.output;
    if output.is_json() {
        return output.value(&json!(status));
    }
    let mut table = Table::new(output, &["what", "how many"]);
    for (kind, count) in &status.objects {
        table.row([format!("{kind} objects"), count.to_string()]);
    }
    for (what, count) in [
        ("changes kept", status.changes),
        ("alarms pending", status.alarms),
        ("alarms given up", status.dead_alarms),
        ("messages under way", status.outbox),
        ("outcomes kept", status.outcomes),
        ("schema version", status.schema.into()),
    ] {
        table.row([what.to_owned(), count.to_string()]);
    }
    table.row(["size".to_owned(), format_size(status.bytes)]);
    table.print(output, "nothing")
}
