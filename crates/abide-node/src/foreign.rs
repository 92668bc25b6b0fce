//! Sharing objects with programs written with distobject: what they write comes in as turns.

use std::{sync::Arc, time::Duration};

use abide_core::{
    Error, Key, Result, Store,
    port::store::{Notice, SharedKind, Sharing},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    job::{Bare, Done, Envelope, Origin, Purpose},
    kind::{KindEntry, Kinds},
    node::NodeCore,
    object::{Durability, Layout},
};

/// How many foreign updates may wait for their turns; more wait in the store's connection, and those that it
/// loses are found by comparing.
const WAITING_MAX: usize = 4_096;
/// How long it waits after a turn that failed.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Asks the store to share the kinds that say so. `None` if none does.
pub(crate) fn share(store: &dyn Store, kinds: &Kinds) -> Result<Option<Arc<dyn Sharing>>> {
    let shared: Vec<SharedKind> =
        kinds.all().into_iter().map(|kind| shared(kind)).collect::<Result<Vec<_>>>()?.concat();
    for (n, one) in shared.iter().enumerate() {
        shared[..n].iter().try_for_each(|other| apart(other, one))?;
    }
    if shared.is_empty() {
        return Ok(None);
    }
    Ok(Some(store.share(shared)?))
}

/// No key may be of both kinds: ids can have colons.
fn apart(one: &SharedKind, other: &SharedKind) -> Result<()> {
    let begins = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with(':'));
    let kinds = format!("kinds {} and {}", one.kind, other.kind);
    if one.prefix == other.prefix {
        return Err(Error::bad_request(format!("{kinds} have the same prefix {:?}", one.prefix)));
    }
    if begins(&one.prefix, &other.prefix) || begins(&other.prefix, &one.prefix) {
        return Err(Error::bad_request(format!(
            "{kinds} have prefixes of which one begins the other, {:?} and {:?}: the keys of the one would be the \
             other's, too; give one of them another prefix",
            one.prefix, other.prefix
        )));
    }
    Ok(())
}

fn shared(kind: &KindEntry) -> Result<Vec<SharedKind>> {
    let Layout::Distobject { prefix, channel } = kind.options.layout else { return Ok(Vec::new()) };
    let clash = match kind.options.durability {
        _ if kind.options.stateless => "has no state to share (`stateless`)",
        Durability::Commit => {
            let (prefix, channel) = (prefix.to_owned(), channel.to_owned());
            return Ok(vec![SharedKind { kind: kind.name.clone(), prefix, channel }]);
        }
        Durability::Behind(_) => "is written behind its answers (`durability = \"behind:…\"`)",
        Durability::Volatile => "is never written (`durability = \"volatile\"`)",
    };
    Err(Error::bad_request(format!("kind {} has `layout = \"distobject\"`, but it {clash}: remove one", kind.name)))
}

impl NodeCore {
    /// Whether foreign programs share the object.
    pub(crate) fn is_shared(&self, kind: &KindEntry, key: &Key) -> bool {
        self.sharing.is_some() && kind.options.layout != Layout::Plain && key.namespace().as_str() == "default"
    }

    /// Brings what foreign programs write to its objects, until the node closes.
    pub(crate) async fn hear_foreign(self: Arc<Self>) {
        let Some(sharing) = self.sharing.clone() else { return };
        let room = Arc::new(Semaphore::new(WAITING_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let notice = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                notice = sharing.next() => notice,
            };
            let Some(notice) = notice else { return };
            self.bring(notice, permit);
        }
    }

    fn bring(self: &Arc<Self>, notice: Notice, permit: OwnedSemaphorePermit) {
        let (node, key) = (self.clone(), notice.key.clone());
        self.submit_foreign(
            notice,
            Box::new(move |result| {
                if let Err(error) = result {
                    node.bring_later(key, permit, &error);
                }
            }),
        );
    }

    /// What was in a message may be lost with its turn: the object is compared.
    fn bring_later(self: &Arc<Self>, key: Key, permit: OwnedSemaphorePermit, error: &Error) {
        if !self.is_running() {
            return;
        }
        tracing::warn!(%key, %error, "a foreign update could not be taken in; trying again");
        let node = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = node.closing.cancelled() => return,
                () = tokio::time::sleep(AGAIN_AFTER) => {}
            }
            node.bring(Notice::compare(key), permit);
        });
    }

    fn submit_foreign(self: &Arc<Self>, notice: Notice, done: Done) {
        let key = notice.key.clone();
        let kind = match self.kinds.find(key.kind()) {
            Ok(kind) => kind.clone(),
            Err(error) => return done(Err(error)),
        };
        self.submit(&key, &kind, self.foreign_envelope(notice, Some(done)), false);
    }

    /// A turn that looks what foreign programs wrote.
    pub(crate) fn foreign_envelope(&self, notice: Notice, done: Option<Done>) -> Envelope {
        let mut envelope = self.bare_envelope("distobject", Purpose::Timer, Bare::new(done));
        envelope.info.sync = false;
        envelope.origin = Origin::Foreign(notice);
        envelope
    }

    /// Takes in what foreign programs wrote to an object that is not in memory.
    pub(crate) async fn catch_up(self: &Arc<Self>, key: &Key) -> Result<()> {
        let kind = self.kinds.find(key.kind())?;
        if !self.is_shared(kind, key) || self.directory.find(key).is_some() {
            return Ok(());
        }
        let (done, caught_up) = tokio::sync::oneshot::channel();
        self.submit_foreign(Notice::compare(key.clone()), Box::new(move |result| drop(done.send(result))));
        match caught_up.await {
            Ok(result) => result.map(drop),
            Err(_) => Err(Error::internal("BUG: a look at a shared object was dropped without an answer")),
        }
    }
}
