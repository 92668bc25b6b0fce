//! Databases that cannot be reached: the others are served without waiting for them.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use abide_core::{Store, StoreError, port::BoxFuture};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{merge::named, record::NOTE, store::Held};

/// How long is waited between two looks whether a database is back.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a database is away.
#[derive(Clone, Default)]
pub(super) struct Away(Arc<AtomicBool>);

impl Away {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// From now on nothing waits for it, until somebody who looks after it has found it.
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends when the database is back, or the store is dropped or closed"
    )]
    pub(super) fn begin(&self, store: &Arc<dyn Store>) {
        if !self.0.swap(true, Ordering::SeqCst) {
            tokio::spawn(look(Arc::downgrade(store), self.clone()));
        }
    }
}

/// Waits until a database answers again.
async fn look(store: Weak<dyn Store>, away: Away) {
    loop {
        let Some(asked) = store.upgrade().map(|store| store.note(NOTE)) else { return };
        match asked.await {
            Ok(_) => return away.0.store(false, Ordering::SeqCst),
            Err(StoreError::Closed) => return,
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Asks all databases that are not away at once, and takes what those say that answer. Says, too, whether any
/// did not. An error only if none does.
pub(super) async fn reachable<T>(
    held: &[Held],
    ask: impl Fn(&Held) -> BoxFuture<'static, Result<T, StoreError>>,
) -> Result<(Vec<T>, bool), StoreError> {
    let there: Vec<&Held> = held.iter().filter(|held| !held.away.is_so()).collect();
    let mut answers = Vec::with_capacity(held.len());
    let mut trouble = None;
    let asked = join_all(there.iter().map(|held| ask(held))).await;
    for (held, answer) in there.into_iter().zip(asked) {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                let error = named(&held.name, error);
                tracing::warn!(%error, "a database is left out until it is back");
                held.away.begin(&held.store);
                trouble = Some(error);
            }
        }
    }
    if answers.is_empty() {
        let none = || StoreError::Unavailable("none of the store's databases can be reached".into());
        return Err(trouble.unwrap_or_else(none));
    }
    let partial = answers.len() < held.len();
    Ok((answers, partial))
}
