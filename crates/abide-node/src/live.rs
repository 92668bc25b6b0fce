//! A handle that always shows an object's latest state.

use std::{sync::Arc, time::Duration};

use abide_core::{Change, Error, Result, Seq, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::{
    handle::{Handle, Snapshot, Spot},
    object::Object,
    watch::{After, Changes, Update},
};

/// How long it waits when the store cannot be read.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// An object's latest durable state, kept up to date for as long as this is held. Clones show the same.
///
/// Every change of the object reaches it, whoever made it; one that was missed is made up for by reading
/// the log, or the whole state.
pub struct Live<O: Object> {
    latest: watch::Receiver<Shown<O>>,
}

/// What is shown: the state, or that the object is not there.
struct Shown<O> {
    seq: Seq,
    snapshot: Option<Arc<Snapshot<O>>>,
}

impl<O: Object> Live<O> {
    /// The latest state; `None` while the object is not there.
    pub fn get(&self) -> Option<Arc<Snapshot<O>>> {
        self.latest.borrow().snapshot.clone()
    }

    /// The seq up to which changes are shown.
    pub fn seq(&self) -> Seq {
        self.latest.borrow().seq
    }

    /// Waits until something else is shown than when this was called last.
    ///
    /// # Errors
    /// `unavailable` when the node is shutting down, or the client was closed.
    pub async fn changed(&mut self) -> Result<()> {
        let closed =
            |_| Error::unavailable("this node is shutting down, or the client was closed; nothing is shown any more");
        self.latest.changed().await.map_err(closed)
    }

    /// Waits until what is shown fulfils a condition, and gives it.
    ///
    /// # Errors
    /// `unavailable` when the node is shutting down, or the client was closed.
    pub async fn until(&mut self, condition: impl Fn(&O) -> bool) -> Result<Arc<Snapshot<O>>> {
        loop {
            let shown = self.latest.borrow_and_update().snapshot.clone();
            if let Some(snapshot) = shown.filter(|snapshot| condition(&snapshot.state)) {
                return Ok(snapshot);
            }
            self.changed().await?;
        }
    }
}

impl<O: Object> Clone for Live<O> {
    fn clone(&self) -> Self {
        Self { latest: self.latest.clone() }
    }
}

impl<O: Object> std::fmt::Debug for Live<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Live({} at {})", O::KIND, self.seq())
    }
}

impl<O: Object> Handle<O> {
    /// A handle that always shows the object's latest state, also while nobody calls it.
    pub async fn live(&self) -> Result<Live<O>> {
        let changes = self.changes(After::Now).await?;
        let follower = Follower::begin(self.spot().clone(), changes.seq()).await?;
        let (tx, latest) = watch::channel(follower.show::<O>()?);
        let following = follow(follower, changes, tx);
        match &**self.spot() {
            Spot::Here(place) => drop(place.node.tasks.spawn(following)),
            Spot::There(_) | Spot::Nowhere(_) => start(following),
        }
        Ok(Live { latest })
    }
}

/// The fields of an object at a seq.
struct Follower {
    spot: Arc<Spot>,
    seq: Seq,
    /// What is known is not known to be true: the state has to be read.
    behind: bool,
    fields: Option<Map<String, Value>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Follows an object that is elsewhere, without a node whose tracker could spawn.
#[expect(clippy::disallowed_methods, reason = "the task ends with the last clone of its handle, or with its client")]
fn start(following: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(following);
}

async fn follow<O: Object>(mut follower: Follower, mut changes: Changes, tx: watch::Sender<Shown<O>>) {
    loop {
        let followed = tokio::select! {
            biased;
            () = tx.closed() => return,
            update = changes.next() => match update {
                None => return,
                Some(Ok(update)) => follower.take(&update).await,
                Some(Err(error)) => Err(error),
            },
            // Whoever waits is not left with an old state until the next change.
            read = follower.read(), if follower.behind => read,
        };
        match followed.and_then(|()| follower.show()) {
            Ok(shown) => {
                tx.send_replace(shown);
            }
            Err(error) => {
                tracing::warn!(key = ?follower.spot.key(), %error, "a live handle cannot be brought up to date; trying again");
                follower.behind = true;
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
    }
}

impl Follower {
    async fn begin(spot: Arc<Spot>, seq: Seq) -> Result<Self> {
        let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
        let mut follower = Self { spot, seq, behind: false, fields: None, created_at, updated_at };
        follower.read().await?;
        Ok(follower)
    }

    /// Reads the whole state.
    async fn read(&mut self) -> Result<()> {
        let Some(now) = self.spot.snapshot().await? else {
            (self.fields, self.behind) = (None, false);
            return Ok(());
        };
        let damaged = |e| Error::internal(format!("the state of {:?} is no object: {e}", self.spot.key()));
        self.fields = Some(now.state.decode().map_err(damaged)?);
        (self.seq, self.created_at, self.updated_at) = (now.seq, now.created_at, now.updated_at);
        self.behind = false;
        Ok(())
    }

    async fn take(&mut self, update: &Update) -> Result<()> {
        if self.behind {
            return self.read().await;
        }
        if update.seq() <= self.seq {
            return Ok(());
        }
        let next = update.seq() == self.seq.next();
        match (update.change().filter(|_| next), &mut self.fields) {
            (Some(Change { deleted: true, seq, .. }), fields) => {
                *fields = None;
                self.seq = seq;
                Ok(())
            }
            (Some(change), Some(fields)) => {
                change.apply(fields).map_err(|e| Error::internal(format!("a change cannot be applied: {e}")))?;
                (self.seq, self.updated_at) = (change.seq, change.at);
                Ok(())
            }
            _ => self.read().await,
        }
    }

    fn show<O: Object>(&self) -> Result<Shown<O>> {
        let Some(fields) = &self.fields else { return Ok(Shown { seq: self.seq, snapshot: None }) };
        let unfit = |e| Error::internal(format!("the state does not fit {}: {e}", O::KIND));
        let (state, _) =
            abide_core::state::decode::<O>(&serde_json::to_string(fields).map_err(unfit)?).map_err(unfit)?;
        let (seq, created_at, updated_at) = (self.seq, self.created_at, self.updated_at);
        Ok(Shown { seq, snapshot: Some(Arc::new(Snapshot { seq, state, created_at, updated_at })) })
    }
}
