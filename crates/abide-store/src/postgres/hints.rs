//! Telling other processes, and being told by them, that feeds moved: by NOTIFY and LISTEN, and never
//! more than a hint.
//!
//! NOTIFY holds a lock of the whole database while its transaction commits. So it is not a part of the
//! commits themselves: what moved is gathered and told by short transactions of its own.

use std::{sync::Arc, time::Duration};

use abide_core::Shard;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_postgres::Notification;

use super::{
    connect::{Conn, Connector},
    fault::Fault,
};
use crate::news::News;

/// Other processes are told at most once in so long.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// How often it is looked whether the connection that listens is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of more shards at once it is only told that some moved.
const NAMED_MAX: usize = 512;
/// The channel of all stores in a database; what is told begins with the schema.
const CHANNEL: &str = "abide";

/// What moved here and is to be told elsewhere, and who wants to hear what moved elsewhere.
#[derive(Debug)]
pub(super) struct Hints {
    schema: String,
    pub(super) news: News,
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    moved: FxHashSet<u32>,
    /// More than can be named.
    many: bool,
    listens: bool,
    closed: bool,
}

impl Hints {
    pub(super) fn new(schema: &str) -> Self {
        Self { schema: schema.into(), news: News::default(), pending: Mutex::default(), wake: Notify::new() }
    }

    /// The feeds of these shards moved by a commit of this process.
    pub(super) fn moved(&self, shards: impl Iterator<Item = Shard> + Clone) {
        self.news.tell(shards.clone());
        let mut pending = self.pending.lock();
        if !pending.many {
            pending.moved.extend(shards.map(Shard::number));
            pending.many = pending.moved.len() > NAMED_MAX;
        }
        drop(pending);
        self.wake.notify_one();
    }

    /// From here on somebody wants to hear what moves elsewhere.
    pub(super) fn listen(&self) {
        if !std::mem::replace(&mut self.pending.lock().listens, true) {
            self.wake.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.pending.lock().closed = true;
        self.wake.notify_one();
    }

    /// What another process, or this one, told.
    pub(super) fn heard(&self, told: &Notification) {
        let Some((schema, shards)) = told.payload().split_once(':') else { return };
        if told.channel() != CHANNEL || schema != self.schema {
            return;
        }
        match shards {
            "*" => self.news.tell_all(),
            shards => self.news.tell(shards.split(',').filter_map(|shard| shard.parse().ok()).map(Shard::new)),
        }
    }

    /// What is to be told now.
    fn take(&self) -> Option<String> {
        let mut pending = self.pending.lock();
        let (moved, many) = (std::mem::take(&mut pending.moved), std::mem::take(&mut pending.many));
        if moved.is_empty() {
            return None;
        }
        let shards: Vec<String> = moved.iter().map(u32::to_string).collect();
        let shards = if many { "*".to_owned() } else { shards.join(",") };
        Some(format!("{}:{shards}", self.schema))
    }
}

/// Tells and listens, on a connection of its own, until the store is closed. A database that cannot
/// notify is left alone.
pub(super) async fn run(hints: Arc<Hints>, connector: Arc<Connector>) {
    let mut conn: Option<Conn> = None;
    let mut listening = false;
    loop {
        let look = if listening { LOOK_EVERY } else { Duration::MAX };
        let _ = timeout(look, hints.wake.notified()).await;
        let (listens, closed) = {
            let pending = hints.pending.lock();
            (pending.listens, pending.closed)
        };
        if closed {
            return;
        }
        if conn.as_ref().is_none_or(Conn::is_closed) {
            listening = false;
            conn = connected(&connector).await;
        }
        let Some(conn) = &conn else {
            // Whoever waits looks for itself meanwhile; what moved is told when there is a way.
            sleep(LOOK_EVERY).await;
            hints.wake.notify_one();
            continue;
        };
        match exchange(&hints, conn, listens && !listening).await {
            Ok(()) => listening = listens,
            Err(fault) if fault.is_lost() => listening = false,
            Err(fault) => {
                tracing::info!(error = %fault.sentence(), "this database has no NOTIFY; readers of feeds look for themselves");
                return;
            }
        }
        sleep(TELL_EVERY).await;
    }
}

async fn connected(connector: &Connector) -> Option<Conn> {
    let conn = connector.connect().await.ok()?;
    // A hint need not wait for the disk.
    conn.run("SET synchronous_commit = off").await.ok()?;
    Some(conn)
}

async fn exchange(hints: &Hints, conn: &Conn, listen: bool) -> Result<(), Fault> {
    if listen {
        conn.run(&format!("LISTEN {CHANNEL}")).await?;
        // What moved before is not told any more.
        hints.news.tell_all();
    }
    if let Some(told) = hints.take() {
        conn.query("SELECT pg_notify($1::text, $2::text)", &[&CHANNEL, &told]).await?;
    }
    Ok(())
}
