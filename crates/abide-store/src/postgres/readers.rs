use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use abide_core::{Key, StoreError};
use tokio::sync::Mutex;

use super::{
    connect::{Conn, Connector, SharedConn},
    fault::Result,
    turns::Turns,
};

/// How often a read that met trouble is done again.
const TRIES_MAX: usize = 3;

/// How many reads of single objects are under way on one connection at a time.
pub(super) const POINTS_AT_A_TIME: usize = 64;

/// How many reads that may be much are under way on one connection at a time: one that is read, and one that
/// is there already when it is done.
pub(super) const SCANS_AT_A_TIME: usize = 2;

/// Connections for reads; several reads share one, each a statement by itself.
pub(super) struct Readers {
    connector: Arc<Connector>,
    turns: Turns,
    slots: Vec<Mutex<Option<SharedConn>>>,
    next: AtomicUsize,
    closed: AtomicBool,
}

impl Readers {
    /// So many connections, made when they are needed, each with so many reads under way at a time.
    pub(super) fn new(connector: Arc<Connector>, connections: usize, at_a_time: usize) -> Self {
        let connections = connections.max(1);
        let slots = (0..connections).map(|_| Mutex::default()).collect();
        let turns = Turns::new(connections * at_a_time, connector.options.waiting_max.max(1));
        Self { connector, turns, slots, next: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// Reads when it is its turn, and again where the connection was lost: a read may be repeated. What is
    /// given up before its turn is not read. What is in doubt, of the object that is read or of all, waits.
    pub(super) async fn read<T, F>(
        self: &Arc<Self>,
        of: Option<Key>,
        read: impl Fn(SharedConn) -> F + Send + Sync + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (doubts, read) = (&self.connector.doubts, Arc::new(read));
        for _ in 0..TRIES_MAX {
            let raised = doubts.raised();
            doubts.settled(of.as_ref(), self.connector.options.wait).await?;
            let (readers, read) = (Arc::clone(self), Arc::clone(&read));
            let found = self.turns.run(async move { readers.read_now(&*read).await }).await;
            if doubts.raised() == raised {
                return found;
            }
        }
        Err(StoreError::Unavailable("the answer to a commit was lost each time that this was read".into()))
    }

    async fn read_now<T, F: Future<Output = Result<T>>>(
        &self,
        read: &impl Fn(SharedConn) -> F,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            if self.closed.load(Ordering::SeqCst) {
                return Err(StoreError::Closed);
            }
            tries += 1;
            let slot = &self.slots[self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len()];
            let conn = self.connection(slot).await?;
            let fault = match read(Arc::clone(&conn)).await {
                Ok(found) => return Ok(found),
                Err(fault) => fault,
            };
            if fault.is_lost() {
                let mut slot = slot.lock().await;
                if slot.as_ref().is_some_and(|there| Arc::ptr_eq(there, &conn)) {
                    *slot = None;
                }
            }
            if tries >= TRIES_MAX || !(fault.is_lost() || fault.is_collision()) {
                return Err(fault.into());
            }
        }
    }

    async fn connection(&self, slot: &Mutex<Option<SharedConn>>) -> Result<SharedConn> {
        let mut slot = slot.lock().await;
        if let Some(conn) = slot.as_ref().filter(|conn| !conn.is_closed()) {
            return Ok(Arc::clone(conn));
        }
        let wait: Duration = self.connector.options.wait;
        let conn = Arc::new(self.connector.connect_within(wait).await?);
        *slot = Some(Arc::clone(&conn));
        Ok(conn)
    }

    /// A connection that nobody else uses.
    pub(super) async fn own(&self) -> Result<Conn, StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        Ok(self.connector.connect_within(self.connector.options.wait).await?)
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Gives up all connections.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for slot in &self.slots {
            *slot.lock().await = None;
        }
    }
}
