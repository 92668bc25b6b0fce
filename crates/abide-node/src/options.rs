//! How a node is set up.

use std::time::Duration;

use abide_core::backoff::Backoff;

/// The limits and times of a node. Every queue and buffer has one.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// How long a call waits for its answer unless it says otherwise.
    pub call_timeout: Duration,
    /// How many calls may wait for one object.
    pub mailbox: usize,
    /// How many batches of commits may be on their way to the store at once.
    pub commits_in_flight: usize,
    /// How many objects stay in memory at most; the least recently used leave first.
    pub objects_max: usize,
    /// About how many bytes the objects in memory may take.
    pub memory_max: usize,
    /// How many alarms fire at the same time.
    pub alarms_in_flight: usize,
    /// When a failed alarm is tried again, and when it is given up.
    pub alarm_backoff: Backoff,
    /// How many undelivered messages are held in memory, and how many beside them that cannot be delivered for now;
    /// more wait in the store.
    pub messages_in_memory: usize,
    /// How many changes a slow watcher may be behind before it reads from the log.
    pub watch_buffer: usize,
    /// How many bytes of changes, broadcasts and presence are held for the slow watchers of one object.
    pub watch_bytes: usize,
    /// The same for all objects together, and, beside it, for what watchers that are behind have read of the log.
    pub watch_bytes_total: usize,
    /// How many pushes to one client are kept for a connection that was lost, and how many bytes of them.
    pub pushes_kept: usize,
    /// See [`pushes_kept`](Self::pushes_kept).
    pub push_bytes_kept: usize,
    /// How long the outcome of a keyed call is kept.
    pub outcomes_kept: Duration,
    /// How long a shutdown waits for what is under way.
    pub drain_timeout: Duration,
    /// Whether the caller's own task may run a turn.
    pub inline: bool,
    /// Whether calls are timed for the metrics.
    pub metered: bool,
    /// How many edges of the graph of who calls whom are remembered, where calls are timed; 0 for none.
    pub traffic_edges: usize,
    /// How often idle objects are looked for.
    pub sweep_every: Duration,
    #[doc(hidden)]
    pub mutant: Option<Mutant>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            mailbox: 10_000,
            commits_in_flight: 2,
            objects_max: 10_000_000,
            memory_max: 4 << 30,
            alarms_in_flight: 1024,
            alarm_backoff: Backoff::default(),
            messages_in_memory: 10_000,
            watch_buffer: 256,
            watch_bytes: 1 << 20,
            watch_bytes_total: 64 << 20,
            pushes_kept: 256,
            push_bytes_kept: 256 << 10,
            outcomes_kept: Duration::from_secs(24 * 60 * 60),
            drain_timeout: Duration::from_secs(10),
            inline: true,
            metered: false,
            traffic_edges: 4096,
            sweep_every: Duration::from_secs(1),
            mutant: None,
        }
    }
}

/// A promise broken on purpose, to see that the checkers notice.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Answers leave before their commit is durable.
    NoGate,
    /// The outcome of a keyed call is not stored.
    OutcomeNotStored,
    /// Calls and messages that took effect before are not recognised.
    NoDedupe,
    /// An alarm is taken off the list before its turn is durable.
    AlarmDeletedEarly,
    /// A message is taken out of the outbox before it is applied.
    OutboxAcknowledgedEarly,
    /// The commits of a transaction go to the store each by itself.
    GroupIgnored,
    /// An alarm fires on behalf of nobody.
    PrincipalForgotten,
    /// A message is applied on behalf of nobody.
    SenderForgotten,
    /// A timer fires on behalf of nobody.
    TimerSetterForgotten,
    /// `on_delete` does not run when an object deletes itself.
    DeleteUnnoticed,
    /// Messages of the turn that deletes their sender are not sent.
    LastWordsLost,
    /// A `behind` object leaves memory with what it owes the store.
    OwedForgotten,
    /// A watcher that missed something goes on with the newest change.
    MissedUnnoticed,
    /// A watch that resumes where changes are no longer kept goes on with the first that is.
    TrimmedUnnoticed,
    /// A watcher takes the last page of kept changes for read, and goes on live.
    PageDropped,
}

impl NodeOptions {
    pub(crate) fn mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}
