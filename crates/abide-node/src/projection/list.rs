//! Filling a model from the objects themselves, where the feed does not reach back far enough.

use std::sync::Arc;

use abide_core::{
    FeedPosition, Kind, Namespace,
    port::{
        Model,
        store::{ListCursor, ListQuery},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Fact, Item},
    gather,
    note::{self, BUILD, Build, LANES, Lane, LaneNote, Listing},
    project::Project,
    runner::Runner,
    shared::ProjectionState,
    turn::Failure,
};
use crate::node::NodeCore;

impl<P: Project> Runner<P> {
    /// Writes all objects, page by page; each page and the place after it are in the model together, so
    /// that a listing that was broken off goes on. `None` if it was told to stop.
    pub(super) async fn list(
        self: &Arc<Self>,
        core: &Arc<NodeCore>,
        mut build: Build,
        one_lane: bool,
        stop: &CancellationToken,
    ) -> Option<Build> {
        let (mut attempt, mut limit) = (0, self.options.batch.max(1));
        while let Some(place) = build.listing.clone() {
            if stop.is_cancelled() || core.closing.is_cancelled() {
                return None;
            }
            let work = self.clone().list_page(core.clone(), build.clone(), place, (one_lane, limit));
            match self.run_apart(core, work).await {
                Ok((next, items)) => {
                    (attempt, limit) = (0, (limit * 2).min(self.options.batch.max(1)));
                    self.shared.wrote(ProjectionState::Listing, items);
                    build = next;
                }
                Err(Failure::Moved | Failure::Closing) => return None,
                Err(failure) => {
                    attempt += 1;
                    limit = (limit / 2).max(1);
                    let wait = self.fail(core, &failure, attempt);
                    tokio::select! {
                        biased;
                        () = core.closing.cancelled() => return None,
                        () = stop.cancelled() => return None,
                        () = tokio::time::sleep(wait) => {}
                    }
                    // The commit of the page may have been lost on its way back.
                    if let Ok(Some(found)) = self.run_apart(core, self.clone().build()).await {
                        build = found;
                    }
                }
            }
        }
        Some(build)
    }

    /// One page, or the end of the list.
    async fn list_page(
        self: Arc<Self>,
        core: Arc<NodeCore>,
        build: Build,
        place: Listing,
        (one_lane, limit): (bool, usize),
    ) -> Result<(Build, u64), Failure> {
        let (items, listing) = self.page(&core, place, limit).await?;
        let mut tx = self.model.begin().await?;
        let next = Build { listing, ..build.clone() };
        let mut notes = vec![note::swap(BUILD.into(), Some(build.text()), Some(next.text()))];
        if next.listing.is_none() {
            notes.extend(self.until(&core, &mut tx, one_lane).await?);
        }
        self.swap(&mut tx, notes).await?;
        let count = items.len() as u64;
        self.apply(&mut tx, Batch { items }).await?;
        self.model.commit(tx).await?;
        Ok((next, count))
    }

    /// Objects after a place, and the place after them; no place at the end.
    async fn page(
        &self,
        core: &NodeCore,
        place: Listing,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Listing>), Failure> {
        let mut kinds: Vec<&str> = self.kinds.iter().copied().collect();
        kinds.sort_unstable();
        let kind = if place.kind.is_empty() { kinds.first() } else { kinds.iter().find(|kind| **kind == place.kind) };
        let name = |text: &str| Namespace::new(text).map_err(|error| Failure::Feed(error.to_string()));
        let (Some(kind), false) = (kind, place.namespace.is_empty()) else {
            // The next namespace, from its first kind on.
            let after = (!place.namespace.is_empty()).then(|| name(&place.namespace)).transpose()?;
            let next = core.store.namespaces(after, 1).await.map_err(Failure::Store)?;
            let next = next.first().map(|found| Listing { namespace: found.to_string(), ..Listing::default() });
            let first = kinds.first().map(|kind| (*kind).to_owned()).unwrap_or_default();
            return Ok((Vec::new(), next.map(|place| Listing { kind: first, ..place })));
        };
        let query = ListQuery {
            namespace: name(&place.namespace)?,
            kind: Kind::new(kind).map_err(|error| Failure::Feed(error.to_string()))?,
            prefix: String::new(),
            filter: None,
            order: None,
            after: (!place.id.is_empty()).then(|| ListCursor::after_id(place.id.clone())),
            limit,
        };
        let (namespace, kind) = (query.namespace.clone(), query.kind.clone());
        let page = core.store.list(query).await.map_err(Failure::Store)?;
        let next = match (page.next, kinds.iter().find(|other| **other > kind.as_str())) {
            (Some(cursor), _) => Listing { id: cursor.id, ..place },
            (None, Some(kind)) => Listing { kind: (*kind).to_owned(), id: String::new(), ..place },
            // Past the last kind: the next namespace.
            (None, None) => Listing { kind: "-".into(), id: String::new(), ..place },
        };
        let mut items = Vec::with_capacity(page.objects.len());
        for found in page.objects {
            let key = abide_core::Key::new(&namespace, &kind, &found.id);
            let key = key.map_err(|error| Failure::Feed(error.to_string()))?;
            items.push(Item { key, fact: Fact::State { seq: found.seq, state: found.state, at: found.updated_at } });
        }
        Ok((items, Some(next)))
    }

    /// Notes for the lanes that moved while objects were listed: up to here, entries say less than the
    /// model may hold.
    async fn until(
        &self,
        core: &NodeCore,
        tx: &mut <P::Model as Model>::Tx,
        one_lane: bool,
    ) -> Result<Vec<abide_core::port::model::NoteSwap>, Failure> {
        let noted: Vec<(Lane, LaneNote)> = self.lanes(tx).await?;
        let heads = gather::heads(&*core.store, one_lane).await.map_err(Failure::Store)?;
        let mut notes = Vec::new();
        for (lane, until) in heads {
            let before = noted.iter().find(|(other, _)| *other == lane).map(|(_, note)| *note);
            let note = before.unwrap_or_default();
            if until > note.at {
                let after = LaneNote { until, turn: note.turn + 1, ..note };
                notes.push(note::swap(lane.key(), before.map(|note| note.to_string()), Some(after.to_string())));
            }
        }
        Ok(notes)
    }

    /// The notes about lanes.
    pub(super) async fn lanes(&self, tx: &mut <P::Model as Model>::Tx) -> Result<Vec<(Lane, LaneNote)>, Failure> {
        let unreadable = |why: String| Failure::Model(abide_core::port::model::ModelError(why));
        let mut lanes = Vec::new();
        for (key, text) in self.model.notes(tx, P::NAME, LANES).await? {
            let lane = Lane::parse(&key).ok_or_else(|| unreadable(format!("the note {key:?} is about no lane")))?;
            lanes.push((lane, text.parse().map_err(unreadable)?));
        }
        Ok(lanes)
    }

    /// Where all lanes were when the list began.
    pub(super) fn from_heads(heads: Vec<(Lane, FeedPosition)>) -> Vec<abide_core::port::model::NoteSwap> {
        let note = |at| LaneNote { at, ..LaneNote::default() }.to_string();
        heads.into_iter().map(|(lane, at)| note::swap(lane.key(), None, Some(note(at)))).collect()
    }
}
