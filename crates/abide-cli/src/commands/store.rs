use std::{path::PathBuf, sync::Arc, time::Duration};

use abide::{
    Store as Port, StoreError,
    port::store::Tally,
    store::{
        OpenError, SqliteOptions, SqliteStore,
        transfer::{check, tally},
    },
};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use crate::{
    commands::store_copy::Copy,
    config::format_size,
    failure::{Failure, Outcome},
    moving::{Bar, counted, failed, told},
    output::Table,
    session::Session,
    store_file,
};

/// How many faults `verify` shows.
const FAULTS_MAX: usize = 1000;

/// Look after a store: create it, bring it up to date, check it, count what is in it, copy it.
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
    /// Check the whole store, also while a node is running on it: its logs are dense, its texts are whole,
    /// its counts and its digest.
    Verify(Verify),
    /// Count what is in a store, also while a node is running on it.
    Status(Which),
    Copy(Copy),
}

#[derive(Args, Debug)]
struct Which {
    /// The store.
    #[arg(value_name = "URL", env = "ABIDE_STORE", default_value = store_file::DEFAULT)]
    store: String,
}

#[derive(Args, Debug)]
struct Verify {
    #[command(flatten)]
    which: Which,
    /// Prove that the store holds what is in this backup, row for row.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
}

impl Store {
    /// Does it.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self.action {
            Action::Init(which) => init(session, &which).await,
            Action::Migrate(which) => migrate(session, &which).await,
            Action::Verify(verify) => verify.run(session).await,
            Action::Status(which) => status(session, &which).await,
            Action::Copy(copy) => copy.run(session).await,
        }
    }
}

async fn init(session: &Session, which: &Which) -> Outcome {
    if !which.store.starts_with("sqlite:") {
        return migrate(session, which).await;
    }
    let path = store_file::path(&which.store)?;
    let what = if path.exists() { "is there already" } else { "is created" };
    match SqliteStore::open(path, SqliteOptions::default()) {
        Ok(store) => ready(session, which, &store, what).await,
        Err(OpenError::Locked { .. }) => {
            let store = store_file::open(path, false)?;
            ready(session, which, &store, "is there already, and a node is running on it").await
        }
        Err(error) => Err(error.into()),
    }
}

/// Opening a store brings its tables up to date, or makes them.
async fn migrate(session: &Session, which: &Which) -> Outcome {
    let store: Arc<dyn Port> = match which.store.split_once(':') {
        Some(("memory", _)) => store_file::look(&which.store).await?,
        Some(("sqlite", _)) => Arc::new(store_file::open(store_file::path(&which.store)?, true)?),
        _ => abide::store::open(&which.store).await?,
    };
    ready(session, which, &*store, "is there, and up to date").await
}

async fn ready(session: &Session, which: &Which, store: &dyn Port, what: &str) -> Outcome {
    let (schema, shards) = (store.status().await?.schema, store.shards());
    let url = abide::store::shown(&which.store);
    match session.output.is_json() {
        true => session.output.value(&json!({"store": url, "schema": schema, "shards": shards})),
        false => session.output.line(format!("{url} {what}: schema {schema}, {shards} shards")),
    }
}

impl Verify {
    async fn run(&self, session: &Session) -> Outcome {
        let store = store_file::look(&self.which.store).await?;
        let output = &session.output;
        let url = abide::store::shown(&self.which.store);
        let spinner = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        spinner.set_message(format!("checking {url}"));
        spinner.enable_steady_tick(Duration::from_millis(100));
        let faults = store.verify(FAULTS_MAX).await;
        spinner.finish_and_clear();
        let mut faults = faults?;
        let holds = if faults.is_empty() { self.count(session, &*store).await? } else { None };
        if let (Some(file), Some(holds)) = (&self.backup, &holds) {
            let expected = check(file, |_| {}).await.map_err(|error| failed(&error, Some(file)))?.1;
            if expected != *holds {
                faults.push(format!(
                    "the store does not hold what the backup {} holds: here are {} (digest {}), there are {} (digest {})",
                    file.display(), told(holds), holds.digest, told(&expected), expected.digest
                ));
            }
        }
        if output.is_json() {
            let holds = holds.as_ref().map(counted);
            output.value(&json!({"store": url, "sound": faults.is_empty(), "faults": faults, "holds": holds}))?;
        } else {
            faults.iter().try_for_each(|fault| output.line(fault))?;
        }
        match (faults.len(), holds) {
            (0, _) if output.is_json() => Ok(()),
            (0, Some(holds)) => output.line(format!("{url} is sound: {}; digest {}", told(&holds), holds.digest)),
            (0, None) => output.line(format!("{url} is sound")),
            (many, _) => {
                let what = if many == 1 { "fault" } else { "faults" };
                let hint = match store.status().await.is_ok_and(|status| status.importing.is_some()) {
                    true => "repeat the `abide restore` or `abide store copy` that began it",
                    false => "restore a backup with `abide restore`",
                };
                Err(Failure::new("damaged", format!("{many} {what} found")).hint(hint))
            }
        }
    }

    /// Counts all that is in the store; `None` for a store that cannot hand it out.
    async fn count(&self, session: &Session, store: &dyn Port) -> Outcome<Option<Tally>> {
        let mut bar = Bar::new(session.output.is_json());
        let counted = tally(store, |progress| bar.show(progress)).await;
        bar.end();
        match counted {
            Err(StoreError::Unsupported(_)) if self.backup.is_none() => Ok(None),
            counted => Ok(Some(counted?)),
        }
    }
}

async fn status(session: &Session, which: &Which) -> Outcome {
    let status = store_file::look(&which.store).await?.status().await?;
    let output = &session.output;
    if output.is_json() {
        return output.value(&json!(status));
    }
    if let Some(importing) = &status.importing {
        output.note(format!("not whole: {} rows of {} are in", importing.rows, importing.source));
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
