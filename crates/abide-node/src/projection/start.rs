//! Finding out where a model is, and beginning it anew.

use std::sync::Arc;

use abide_core::{FeedPosition, port::Model};
use rustc_hash::FxHashMap;

use super::{
    gather::{self, Place},
    note::{self, BUILD, Build, Lane, Listing},
    project::Project,
    runner::Runner,
    turn::Failure,
};
use crate::node::NodeCore;

/// Where a model is.
pub(super) enum Start {
    /// It was never filled.
    Empty,
    /// It goes on from here.
    Here(Build),
    /// It cannot be gone on with; the text says what to do.
    Foreign(String),
}

impl<P: Project> Runner<P> {
    /// The note about the whole.
    pub(super) async fn build(self: Arc<Self>) -> Result<Option<Build>, Failure> {
        let mut tx = self.model.begin().await?;
        let found = self.model.notes(&mut tx, P::NAME, BUILD).await?;
        let unreadable = |why| Failure::Model(abide_core::port::model::ModelError(why));
        found.first().map(|(_, text)| Build::parse(text)).transpose().map_err(unreadable)
    }

    /// Where each lane is, if the model is still that of this build.
    pub(super) async fn places(self: Arc<Self>, build: Option<Arc<str>>) -> Result<FxHashMap<Lane, Place>, Failure> {
        let mut tx = self.model.begin().await?;
        if let Some(build) = build {
            let found = self.model.notes(&mut tx, P::NAME, BUILD).await?;
            if found.first().is_none_or(|(_, text)| *text != *build) {
                return Err(Failure::Moved);
            }
        }
        Ok(self.lanes(&mut tx).await?.into_iter().map(|(lane, note)| (lane, Place::of(note))).collect())
    }

    /// Looks whether the model and the store belong together.
    pub(super) async fn find(self: &Arc<Self>, core: &Arc<NodeCore>, one_lane: bool) -> Result<Start, Failure> {
        let Some(build) = self.run_apart(core, self.clone().build()).await? else {
            return Ok(Start::Empty);
        };
        let store = core.store.status().await.map_err(Failure::Store)?.id;
        let rebuild = format!("to fill the model from this store, `abide projections rebuild {}`", P::NAME);
        if build.store != store {
            return Ok(Start::Foreign(format!(
                "the model holds the feed of the store {}, and this node stands on the store {store} \
                 (a store that was restored is another one): start the node on the store that the model was filled \
                 from, or give the projection a model of its own, or, {rebuild}",
                build.store
            )));
        }
        let places = self.run_apart(core, self.clone().places(None)).await?;
        let heads: FxHashMap<Lane, FeedPosition> =
            gather::heads(&*core.store, one_lane).await.map_err(Failure::Store)?.into_iter().collect();
        for (lane, place) in places {
            if (lane.0.is_none()) != one_lane || place.at > heads.get(&lane).copied().unwrap_or_default() {
                return Ok(Start::Foreign(behind(&rebuild)));
            }
        }
        Ok(Start::Here(build))
    }

    /// Empties the model, and notes where it begins: at the beginning of the feed, if that is kept whole,
    /// else with a list of all objects.
    pub(super) async fn renew(self: &Arc<Self>, core: &Arc<NodeCore>, one_lane: bool) -> Result<(), Failure> {
        let store = core.store.status().await.map_err(Failure::Store)?.id;
        let heads = gather::heads(&*core.store, one_lane).await.map_err(Failure::Store)?;
        let mut whole = true;
        for (lane, _) in &heads {
            let page = core.store.feed(lane.0, FeedPosition::ZERO, 1).await.map_err(Failure::Store)?;
            whole &= page.floor == FeedPosition::ZERO;
            if !whole {
                break;
            }
        }
        let runner = self.clone();
        let work = async move {
            let number = runner.clone().build().await?.map_or(1, |build| build.number + 1);
            let mut tx = runner.model.begin().await?;
            let cleared = runner.project.clear(&mut tx).await;
            cleared.map_err(|error| Failure::Apply { about: "clearing the model".into(), why: error.to_string() })?;
            runner.model.forget(&mut tx, P::NAME).await?;
            let listing = (!whole).then(Listing::default);
            let build = Build { store, number, listing };
            let mut notes = vec![note::swap(BUILD.into(), None, Some(build.text()))];
            if !whole {
                notes.extend(Self::from_heads(heads));
            }
            runner.swap(&mut tx, notes).await?;
            runner.model.commit(tx).await?;
            Ok(())
        };
        self.run_apart(core, work).await
    }
}

/// What to say when the model is further than the store.
pub(super) fn behind(rebuild: &str) -> String {
    format!(
        "the model holds more than this store ever had: the store was put back to an earlier state, or lost its \
         last commits; {rebuild}"
    )
}
