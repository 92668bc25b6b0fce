//! What runs a projection from the start of its node to the end.

use std::{sync::Arc, time::Duration};

use abide_core::Error;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    follow::{End, Worker},
    gather::{self, Place, Share},
    note::{Build, Lane},
    options::{OnGap, ProjectionOptions},
    project::Project,
    shared::{ProjectionState, Shared},
    start::{self, Start},
    turn::Failure,
};
use crate::node::NodeCore;

/// How often the lag is published.
const TICK: Duration = Duration::from_secs(1);

/// A projection and its model.
pub(crate) struct Runner<P: Project> {
    pub(super) project: P,
    pub(super) model: P::Model,
    pub(super) options: ProjectionOptions,
    pub(super) kinds: FxHashSet<&'static str>,
    pub(super) shared: Arc<Shared>,
}

/// A projection of whatever type.
pub(crate) trait Run: Send + Sync {
    /// What is known of it.
    fn shared(&self) -> &Arc<Shared>;

    /// Starts its tasks, which end when the node closes.
    fn start(self: Arc<Self>, core: &Arc<NodeCore>);
}

/// How a while of running ended.
enum Pause {
    /// Nothing more to do: the node closes.
    Closing,
    /// Look again where the model is.
    Again,
    /// As before, after a moment: somebody else writes to the model.
    Later,
    /// Begin the model anew.
    Renew,
    /// It cannot go on; the text says why.
    Stopped(String),
}

impl<P: Project> Runner<P> {
    pub(crate) fn new(project: P, model: P::Model) -> Arc<Self> {
        let options = project.options();
        let mut kinds = project.kinds();
        let shared = Arc::new(Shared::new(P::NAME, kinds.clone()));
        let kinds = kinds.drain(..).collect();
        Arc::new(Self { project, model, options, kinds, shared })
    }

    /// Takes note of a failure, and says how long to wait.
    pub(super) fn fail(&self, core: &NodeCore, failure: &Failure, attempt: u32) -> Duration {
        let sentence = failure.sentence();
        if attempt <= 1 {
            tracing::warn!(projection = P::NAME, error = %sentence, "a projection failed; nothing is left out, trying again");
        }
        self.shared.failed(ProjectionState::Failing, sentence);
        let wait = self.options.backoff.delay(attempt, core.clock.random());
        wait.unwrap_or(self.options.backoff.max)
    }

    async fn run(self: Arc<Self>, core: Arc<NodeCore>) {
        let mut attempt = 0;
        loop {
            let pause = match self.live(&core).await {
                Ok(pause) => {
                    attempt = 0;
                    pause
                }
                Err(Failure::Moved) => Pause::Later,
                Err(Failure::Closing) => Pause::Closing,
                Err(failure) => {
                    attempt += 1;
                    let wait = self.fail(&core, &failure, attempt);
                    if !self.wait(&core, wait).await {
                        return;
                    }
                    continue;
                }
            };
            match pause {
                Pause::Closing => return,
                Pause::Again => {}
                Pause::Later => {
                    if !self.wait(&core, TICK).await {
                        return;
                    }
                }
                Pause::Renew => self.shared.ask_rebuild(),
                Pause::Stopped(why) => {
                    tracing::error!(projection = P::NAME, error = %why, "a projection has stopped");
                    self.shared.failed(ProjectionState::Stopped, why);
                    tokio::select! {
                        () = core.closing.cancelled() => return,
                        () = self.shared.asked.notified() => {}
                    }
                }
            }
        }
    }

    /// Waits; `false` if the node closes.
    async fn wait(&self, core: &NodeCore, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = core.closing.cancelled() => false,
            () = self.shared.asked.notified() => true,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Finds out where the model is, and goes on from there until something comes between.
    async fn live(self: &Arc<Self>, core: &Arc<NodeCore>) -> Result<Pause, Failure> {
        if core.closing.is_cancelled() {
            return Ok(Pause::Closing);
        }
        let one_lane = gather::is_one_lane(&*core.store).await.map_err(Failure::Store)?;
        if self.shared.is_rebuild_asked() {
            self.renew(core, one_lane).await?;
            self.shared.rebuilt();
        }
        let build = match self.find(core, one_lane).await? {
            Start::Here(build) => build,
            Start::Foreign(why) => return Ok(Pause::Stopped(why)),
            Start::Empty => {
                self.renew(core, one_lane).await?;
                return Ok(Pause::Again);
            }
        };
        let state = if build.listing.is_some() { ProjectionState::Listing } else { ProjectionState::Following };
        let stop = self.shared.begin(state, build.number);
        if build.listing.is_some() {
            self.shared.holds(0, Some(core.clock.now()));
            let listed = self.list(core, build, one_lane, &stop).await;
            self.shared.holds(0, None);
            return Ok(if listed.is_none() && core.closing.is_cancelled() { Pause::Closing } else { Pause::Again });
        }
        let places = self.run_apart(core, self.clone().places(None)).await?;
        self.shared.reached(places.iter().map(|(lane, place)| (*lane, place.at)));
        let ended = self.follow(core, &build, places, one_lane, &stop).await?;
        self.after(core, &ended)
    }

    /// What follows from how the workers ended.
    fn after(&self, core: &NodeCore, ended: &[End]) -> Result<Pause, Failure> {
        if core.closing.is_cancelled() {
            return Ok(Pause::Closing);
        }
        if ended.contains(&End::Behind) {
            let rebuild = format!("to fill the model from this store, `abide projections rebuild {}`", P::NAME);
            return Ok(Pause::Stopped(start::behind(&rebuild)));
        }
        if !ended.contains(&End::Trimmed) {
            return Ok(if ended.contains(&End::Moved) { Pause::Later } else { Pause::Again });
        }
        let why = "the store no longer keeps the part of its feed that the model needs next";
        Ok(match self.options.on_gap {
            OnGap::Rebuild => {
                tracing::warn!(projection = P::NAME, "{why}: the model is filled anew from the objects");
                Pause::Renew
            }
            OnGap::Stop => Pause::Stopped(format!(
                "{why}, so some news are lost to it: `abide projections rebuild {}` fills it from the objects",
                P::NAME
            )),
        })
    }

    /// Runs the workers until one of them ends, and then ends the others.
    async fn follow(
        self: &Arc<Self>,
        core: &Arc<NodeCore>,
        build: &Build,
        places: FxHashMap<Lane, Place>,
        one_lane: bool,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Result<Vec<End>, Failure> {
        let workers = if one_lane { 1 } else { self.options.workers.clamp(1, 64) };
        let text: Arc<str> = build.text().into();
        let running: Vec<_> = (0..workers)
            .map(|worker| {
                let own = |lane: &Lane| lane.0.is_none_or(|shard| shard.number() as usize % workers == worker);
                let places = places.iter().filter(|(lane, _)| own(lane));
                let places = places.map(|(lane, place)| (*lane, place.clone())).collect();
                let share = Share { one_lane, worker, workers };
                let worker = Worker { share, build: text.clone(), places, stop: stop.clone(), tried: 0 };
                let (runner, core, stop) = (self.clone(), core.clone(), stop.clone());
                let tasks = core.tasks.clone();
                tasks.spawn(async move {
                    let _others = stop.clone().drop_guard();
                    worker.follow(runner, core).await
                })
            })
            .collect();
        let mut ended = Vec::new();
        for (worker, running) in running.into_iter().enumerate() {
            let end = running.await.map_err(|error| Failure::Panicked(error.to_string()));
            self.shared.holds(worker, None);
            ended.push(end?);
        }
        Ok(ended)
    }
}

impl<P: Project> Run for Runner<P> {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn start(self: Arc<Self>, core: &Arc<NodeCore>) {
        let (shared, node) = (self.shared.clone(), core.clone());
        core.tasks.spawn(async move {
            while tokio::time::timeout(TICK, node.closing.cancelled()).await.is_err() {
                shared.publish_lag(node.clock.now());
            }
        });
        core.tasks.spawn(self.run(core.clone()));
    }
}

/// Checks that a projection can run on a node with these kinds.
pub(crate) fn check(run: &dyn Run, others: &[Arc<dyn Run>], has: impl Fn(&str) -> bool) -> Result<(), Error> {
    let shared = run.shared();
    let name = shared.name;
    if others.iter().any(|other| other.shared().name == name) {
        return Err(Error::bad_request(format!("two projections are called {name:?}: each needs a name of its own")));
    }
    if name.is_empty() || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        let detail = format!("the name of a projection is 1 to 128 letters, digits, '_', '-' and '.', not {name:?}");
        return Err(Error::bad_request(detail));
    }
    match shared.kinds.iter().find(|kind| !has(kind)) {
        Some(kind) => Err(Error::bad_request(format!(
            "the projection {name:?} follows the kind {kind:?}, which is not registered on this node"
        ))),
        None if shared.kinds.is_empty() => Err(Error::bad_request(format!("the projection {name:?} follows no kind"))),
        None => Ok(()),
    }
}
