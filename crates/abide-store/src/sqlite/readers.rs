use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use abide_core::{StoreError, port::BoxFuture};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Fault, Result};

/// After so many steps of SQLite's machine it is asked whether anybody still waits for the answer.
const STEPS: i32 = 1_000;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that answer reads, each with a connection of its own, from one queue. What nobody waits for any
/// more is taken out of the queue, and broken off where it is read already.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread for each connection; at most `waiting_max` reads wait for them.
    pub(super) fn start(name: &str, connections: Vec<Connection>, waiting_max: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue { waiting_max: waiting_max.max(1), ..Queue::default() });
        let start = |conn: Connection| {
            let queue = queue.clone();
            Builder::new().name(name.into()).spawn(move || serve(conn, &queue))
        };
        let threads = connections.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { queue, threads })
    }

    /// Answers what is queued, then ends the threads and closes their connections.
    pub(super) fn stop(&mut self) {
        self.queue.close();
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
        let asked = self.queue.put(Box::new(move |conn| {
            let _ = answer.send(guarded(conn, work).map_err(StoreError::from));
        }));
        Box::pin(async move {
            let mut asked = asked?;
            let answer = answered.await.unwrap_or(Err(StoreError::Closed));
            asked.is_answered = true;
            answer
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs `work`. A panic in it fails this read alone: the thread goes on with the next, and nothing is left begun.
fn guarded<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(|| work(conn))).unwrap_or_else(|_| {
        if !conn.is_autocommit() {
            let _ = conn.execute_batch("ROLLBACK");
        }
        let detail = "BUG: a read of the store panicked; what it said is in the log".to_owned();
        Err(StoreError::Unavailable(detail).into())
    })
}

/// Reads in a transaction; no statement of it writes, so that its end cannot fail in a way that matters.
fn in_one_moment<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T, Fault> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = work(conn);
    if let Err(error) = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])) {
        // The next read begins anew.
        let _ = conn.execute_batch("ROLLBACK");
        return Err(error.into());
    }
    result
}

fn serve(mut conn: Connection, queue: &Queue) {
    let given_up = Arc::new(AtomicBool::new(false));
    let asked = given_up.clone();
    if let Err(error) = conn.progress_handler(STEPS, Some(move || asked.load(Ordering::Relaxed))) {
        tracing::warn!(%error, "reads that are given up will be read to their end");
    }
    while let Some((n, job)) = queue.take(&given_up) {
        job(&conn);
        queue.done(n);
    }
}

/// Reads that wait, and those that are under way.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
    waiting_max: usize,
}

#[derive(Default)]
struct State {
    /// By the order in which they came.
    waiting: BTreeMap<u64, Job>,
    last: u64,
    /// What is read, and what its thread looks at to know that nobody waits for it any more.
    under_way: BTreeMap<u64, Arc<AtomicBool>>,
    closed: bool,
}

impl Queue {
    fn put(self: &Arc<Self>, job: Job) -> Result<Asked, StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.waiting.len() >= self.waiting_max {
            return Err(StoreError::Unavailable("too many reads are waiting for the store".into()));
        }
        state.last += 1;
        let n = state.last;
        state.waiting.insert(n, job);
        drop(state);
        self.more.notify_one();
        Ok(Asked { queue: self.clone(), n, is_answered: false })
    }

    /// The next one; `None` if there will be none.
    fn take(&self, given_up: &Arc<AtomicBool>) -> Option<(u64, Job)> {
        let mut state = self.state.lock();
        loop {
            if let Some((n, job)) = state.waiting.pop_first() {
                given_up.store(false, Ordering::Relaxed);
                state.under_way.insert(n, given_up.clone());
                return Some((n, job));
            }
            if state.closed {
                return None;
            }
            self.more.wait(&mut state);
        }
    }

    fn done(&self, n: u64) {
        self.state.lock().under_way.remove(&n);
    }

    fn give_up(&self, n: u64) {
        let mut state = self.state.lock();
        if let Some(given_up) = state.under_way.get(&n) {
            given_up.store(true, Ordering::Relaxed);
        }
        let waited = state.waiting.remove(&n);
        drop(state);
        drop(waited);
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.more.notify_all();
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.state.lock().waiting.len()).finish_non_exhaustive()
    }
}

/// A read that was asked for. Dropping it before it is answered gives it up.
struct Asked {
    queue: Arc<Queue>,
    n: u64,
    is_answered: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_answered {
            self.queue.give_up(self.n);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use futures_util::FutureExt;

    use super::*;

    fn one_thread(waiting_max: usize) -> Readers {
        Readers::start("read-test", vec![Connection::open_in_memory().unwrap()], waiting_max).unwrap()
    }

    /// Holds the thread until the sender is dropped.
    fn hold(readers: &Readers) -> (Sender<()>, BoxFuture<'static, Result<(), StoreError>>) {
        let ((let_go, held), (begun, begins)) = (channel::<()>(), channel());
        let holding = readers.read(move |_| {
            begun.send(()).unwrap();
            let _ = held.recv();
            Ok(())
        });
        begins.recv().unwrap();
        (let_go, holding)
    }

    #[tokio::test]
    async fn what_was_given_up_before_its_turn_is_not_read_and_leaves_its_place() {
        let readers = one_thread(2);
        let (let_go, holding) = hold(&readers);
        let read = Arc::new(AtomicBool::new(false));
        for _ in 0..100 {
            let read = read.clone();
            let mut given_up = readers.read(move |_| {
                read.store(true, Ordering::SeqCst);
                Ok(())
            });
            assert!((&mut given_up).now_or_never().is_none(), "there was no place for it");
        }
        let wanted = readers.read(|_| Ok(7));
        drop(let_go);
        holding.await.unwrap();
        assert_eq!(wanted.await.unwrap(), 7);
        assert!(!read.load(Ordering::SeqCst), "it was read though nobody waited for it any more");
    }

    #[tokio::test]
    async fn a_read_that_panics_fails_alone_and_leaves_nothing_begun() {
        let readers = one_thread(2);
        let failed = readers.read(|_| -> Result<()> { panic!("this read is meant to") }).await;
        assert!(failed.unwrap_err().to_string().contains("nothing was changed"));
        assert_eq!(readers.read(|conn| Ok(conn.is_autocommit())).await, Ok(false), "reads are transactions");
        assert_eq!(readers.read_statement(|conn| Ok(conn.is_autocommit())).await, Ok(true));
    }

    #[tokio::test]
    async fn what_is_given_up_while_it_is_read_is_broken_off() {
        let readers = one_thread(2);
        let (begun, begins) = channel();
        let endless = readers.read(move |conn| {
            begun.send(()).unwrap();
            let forever = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n";
            Ok(conn.query_row(forever, [], |row| row.get::<_, i64>(0))?)
        });
        begins.recv().unwrap();
        let wanted = readers.read(|conn| Ok(conn.query_row("SELECT 7", [], |row| row.get::<_, i64>(0))?));
        drop(endless);
        assert_eq!(wanted.await.unwrap(), 7);
    }
}
