use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use abide_core::{StoreError, port::BoxFuture};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Fault, Result};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that answer reads, each with a connection of its own, from one queue.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread for each connection; at most `waiting_max` reads wait for them.
    pub(super) fn start(name: &str, connections: Vec<Connection>, waiting_max: usize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(waiting_max);
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |conn: Connection| {
            let jobs = jobs.clone();
            Builder::new().name(name.into()).spawn(move || serve(&conn, &jobs))
        };
        Ok(Self { queue: Some(queue), threads: connections.into_iter().map(start).collect::<Result<_, _>>()? })
    }

    /// Answers what is queued, then ends the threads and closes their connections.
    pub(super) fn stop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }

    /// Runs `work` on the first thread that is free, in one read transaction: all of it sees one
    /// moment, which is not before the call.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.read_statement(|conn| in_one_moment(conn, work))
    }

    /// As [`Readers::read`], for work of a single statement: it is a transaction by itself.
    pub(super) fn read_statement<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let _ = answer.send(work(conn).map_err(StoreError::from));
        });
        let sent = match &self.queue {
            Some(queue) => queue.try_send(job),
            None => Err(TrySendError::Disconnected(job)),
        };
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => {
                    Err(StoreError::Unavailable("too many reads are waiting for the store".into()))
                }
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            }
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads in a transaction; no statement of it writes, so that its end cannot fail in a way that matters.
fn in_one_moment<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T, Fault> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = work(conn);
    conn.prepare_cached("COMMIT")?.execute([])?;
    result
}

fn serve(conn: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().recv();
        match job {
            Ok(job) => job(conn),
            Err(_) => return,
        }
    }
}
