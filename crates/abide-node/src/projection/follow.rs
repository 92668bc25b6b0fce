//! Following the feed, batch by batch.

use std::{sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use super::{
    gather::{PASSED_MAX, Place, Read, Share, Stuck},
    note::Lane,
    project::Project,
    runner::Runner,
    shared::ProjectionState,
    turn::Failure,
};
use crate::node::NodeCore;

/// The first pause when there is nothing new; each further one is longer, up to the projection's own.
const PAUSE_FIRST: Duration = Duration::from_millis(10);

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to.
    Told,
    /// What comes next is not kept any more.
    Trimmed,
    /// The store has less than the model holds.
    Behind,
    /// Somebody else has written to the model.
    Moved,
}

/// One of the workers that follow the feed.
pub(super) struct Worker {
    pub(super) share: Share,
    pub(super) build: Arc<str>,
    pub(super) places: FxHashMap<Lane, Place>,
    pub(super) stop: CancellationToken,
    /// How many entries the last batch was made of.
    pub(super) tried: usize,
}

impl Worker {
    pub(super) async fn follow<P: Project>(mut self, runner: Arc<Runner<P>>, core: Arc<NodeCore>) -> End {
        let most = runner.options.batch.max(1);
        let (mut limit, mut attempt, mut turn) = (most, 0, 0);
        let mut pause = PAUSE_FIRST;
        loop {
            turn += 1;
            let moved = core.store.feed_moved(None);
            let done = match self.share.gather(&*core.store, &self.places, limit, turn).await {
                Ok(reads) => self.take(&runner, &core, reads, limit).await,
                Err(Stuck::Trimmed) => return End::Trimmed,
                Err(Stuck::Behind) => return End::Behind,
                Err(Stuck::Store(error)) => Err(Failure::Store(error)),
            };
            let (wait, moved) = match done {
                Ok(true) => {
                    (attempt, pause) = (0, PAUSE_FIRST);
                    limit = (limit * 2).min(most);
                    if self.is_told(&core) {
                        return End::Told;
                    }
                    // Batches that never wait would keep others from running.
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(false) => {
                    runner.shared.holds(self.share.worker, None);
                    let wait = pause;
                    pause = (pause * 2).min(runner.options.poll.max(PAUSE_FIRST));
                    (wait, Some(moved))
                }
                Err(Failure::Moved) => return End::Moved,
                Err(Failure::Closing) => return End::Told,
                Err(failure) => {
                    attempt += 1;
                    // Smaller and smaller, so that what fails stands alone in the end, and is named.
                    limit = (limit.min(self.tried) / 2).max(1);
                    (runner.fail(&core, &failure, attempt), None)
                }
            };
            tokio::select! {
                biased;
                () = core.closing.cancelled() => return End::Told,
                () = self.stop.cancelled() => return End::Told,
                () = async { moved.unwrap_or_else(|| Box::pin(std::future::pending())).await } => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn is_told(&self, core: &NodeCore) -> bool {
        self.stop.is_cancelled() || core.closing.is_cancelled()
    }

    /// Writes what was read, or passes over it. `false` if there was nothing.
    async fn take<P: Project>(
        &mut self,
        runner: &Arc<Runner<P>>,
        core: &Arc<NodeCore>,
        reads: Vec<Read>,
        limit: usize,
    ) -> Result<bool, Failure> {
        if reads.is_empty() {
            return Ok(false);
        }
        self.tried = reads.iter().map(|read| read.entries.len()).sum();
        let wanted = |read: &Read| read.entries.iter().any(|entry| runner.kinds.contains(entry.key.kind().as_str()));
        let passed = |read: &Read| read.place.passed + read.entries.len() as u64;
        let (items, places) = if reads.iter().any(|read| wanted(read) || passed(read) > PASSED_MAX) {
            let worker = self.share.worker;
            let work = runner.clone().write(core.clone(), self.build.clone(), reads, (worker, limit));
            let wrote = match runner.run_apart(core, work).await {
                Ok(wrote) => wrote,
                Err(failure) => {
                    // Whether a lost commit took effect is written in the model alone.
                    self.reload(runner, core).await?;
                    return Err(failure);
                }
            };
            (wrote.items, wrote.places)
        } else {
            let pass = |read: Read| (read.lane, Place { at: read.next, passed: passed(&read), ..read.place });
            (0, reads.into_iter().map(pass).collect())
        };
        runner.shared.reached(places.iter().map(|(lane, place)| (*lane, place.at)));
        self.places.extend(places);
        if items > 0 {
            runner.shared.wrote(ProjectionState::Following, items as u64);
        }
        Ok(true)
    }

    /// Reads from the model where it is.
    async fn reload<P: Project>(&mut self, runner: &Arc<Runner<P>>, core: &Arc<NodeCore>) -> Result<(), Failure> {
        let found = runner.run_apart(core, runner.clone().places(Some(self.build.clone()))).await?;
        for (lane, place) in found {
            let known = self.places.entry(lane).or_default();
            if known.stored != place.stored {
                *known = place;
            }
        }
        Ok(())
    }
}
