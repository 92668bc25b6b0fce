use std::sync::Arc;

use abide_core::{Error, Result, error::Code};

use super::{
    gather,
    runner::Run,
    shared::{ProjectionStatus, Shared},
};
use crate::node::Node;

/// The projections of a node.
#[derive(Clone)]
pub struct Projections {
    node: Node,
}

impl Projections {
    pub(crate) fn new(node: Node) -> Self {
        Self { node }
    }

    /// How each of them is doing.
    pub fn list(&self) -> Vec<ProjectionStatus> {
        let now = self.node.core.clock.now();
        self.node.core.projections.iter().map(|run| run.shared().status(now)).collect()
    }

    /// How one of them is doing.
    ///
    /// # Errors
    /// `not_found` if the node has none of this name.
    pub fn get(&self, name: &str) -> Result<ProjectionStatus> {
        Ok(self.find(name)?.status(self.node.core.clock.now()))
    }

    /// Empties a model and fills it anew. It begins when the batch under way is over; calls go on meanwhile.
    /// The status says how far it is.
    ///
    /// # Errors
    /// `not_found` if the node has none of this name.
    pub fn rebuild(&self, name: &str) -> Result<()> {
        self.find(name)?.ask_rebuild();
        Ok(())
    }

    /// Waits until a model holds everything that was committed before this call.
    ///
    /// # Errors
    /// `not_found` if the node has none of this name; `unavailable` if the projection has stopped, or the
    /// node does.
    pub async fn caught_up(&self, name: &str) -> Result<()> {
        let shared = self.find(name)?;
        let core = &self.node.core;
        let mut moved = shared.listen();
        let one_lane = gather::is_one_lane(&*core.store).await?;
        let heads = gather::heads(&*core.store, one_lane).await?;
        loop {
            match shared.has_reached(&heads) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(why) => return Err(Error::unavailable(format!("the projection {name:?} has stopped: {why}"))),
            }
            let go_on = tokio::select! {
                biased;
                () = core.closing.cancelled() => false,
                changed = moved.changed() => changed.is_ok(),
            };
            if !go_on {
                return Err(Error::unavailable("the node is stopping"));
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Arc<Shared>> {
        let all = &self.node.core.projections;
        all.iter().map(|run| run.shared()).find(|shared| shared.name == name).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|run| run.shared().name).collect();
            let known = if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) };
            let shown: String = name.chars().take(80).collect();
            Error::new(Code::NotFound, format!("this node has no projection {shown:?}: {known}"))
        })
    }
}

/// What is started with the node.
pub(crate) type Registered = Vec<Arc<dyn Run>>;
