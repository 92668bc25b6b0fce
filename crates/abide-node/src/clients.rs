//! Clients that are connected, or will be back in a moment, and what is pushed to them.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use abide_core::{Json, Namespace};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// Who gets a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One client, by its id: a session object's own id is its client's.
    One(Arc<str>),
    /// Several, by their ids.
    Several(Arc<[Arc<str>]>),
    /// All clients of the namespace.
    All,
}

impl From<&str> for Recipients {
    fn from(id: &str) -> Self {
        Self::One(id.into())
    }
}

impl From<String> for Recipients {
    fn from(id: String) -> Self {
        Self::One(id.into())
    }
}

impl From<&String> for Recipients {
    fn from(id: &String) -> Self {
        Self::One(id.as_str().into())
    }
}

impl<S: AsRef<str>> From<&[S]> for Recipients {
    fn from(ids: &[S]) -> Self {
        ids.iter().collect()
    }
}

impl<S: AsRef<str>> From<Vec<S>> for Recipients {
    fn from(ids: Vec<S>) -> Self {
        ids.iter().collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Recipients {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        Self::Several(ids.into_iter().map(|id| id.as_ref().into()).collect())
    }
}

/// The clients of a node.
pub(crate) struct Clients {
    all: Mutex<FxHashMap<Arc<str>, Arc<Inbox>>>,
    kept_max: usize,
    bytes_max: usize,
}

/// What is pushed to one client.
struct Inbox {
    id: Arc<str>,
    namespace: Namespace,
    /// The number of the last push.
    last: AtomicU64,
    kept: Mutex<Kept>,
    /// Of the connection that the client came with last.
    waker: Mutex<Arc<AtomicWaker>>,
}

/// The last pushes, oldest first; the newest has the number `last`.
#[derive(Default)]
struct Kept {
    pushes: VecDeque<Json>,
    bytes: usize,
}

/// How many pushes are handed out at once.
const AT_ONCE: usize = 64;

/// A client's place at a node: while it lasts, what is pushed to the client is kept for it, up to a limit.
pub struct Client {
    inbox: Arc<Inbox>,
    clients: Arc<Clients>,
}

/// What is pushed to a client, as one task hears it: see [`Client::pushes`].
pub struct Pushes {
    client: Arc<Client>,
    waker: Arc<AtomicWaker>,
}

impl Pushes {
    /// What was pushed after number `after`. One task at a time can wait for it.
    pub fn poll_pushed(&self, cx: &mut Context<'_>, after: u64) -> Poll<Pushed> {
        let last = &self.client.inbox.last;
        if last.load(Ordering::Acquire) <= after {
            self.waker.register(cx.waker());
            if last.load(Ordering::Acquire) <= after {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.client.pushed(after))
    }
}

/// What was pushed to a client.
#[derive(Debug, Default, PartialEq)]
pub struct Pushed {
    /// How many were dropped, because more came than are kept.
    pub missed: u64,
    /// The pushes after those, with their numbers.
    pub pushes: Vec<(u64, Json)>,
}

impl Clients {
    pub(crate) fn new(kept_max: usize, bytes_max: usize) -> Self {
        Self { all: Mutex::default(), kept_max: kept_max.max(1), bytes_max }
    }

    /// Gives a client its place. An id that is there already takes the other's.
    pub(crate) fn join(self: &Arc<Self>, id: Arc<str>, namespace: Namespace) -> Client {
        let inbox =
            Arc::new(Inbox { id, namespace, last: AtomicU64::new(0), kept: Mutex::default(), waker: Mutex::default() });
        self.all.lock().insert(inbox.id.clone(), inbox.clone());
        Client { inbox, clients: self.clone() }
    }

    /// Pushes to clients of a namespace. Those that are not there miss it.
    pub(crate) fn push(&self, namespace: &Namespace, to: &Recipients, data: &Json) {
        let found: Vec<Arc<Inbox>> = {
            let all = self.all.lock();
            match to {
                Recipients::One(id) => all.get(id).cloned().into_iter().collect(),
                Recipients::Several(ids) => ids.iter().filter_map(|id| all.get(id).cloned()).collect(),
                Recipients::All => all.values().cloned().collect(),
            }
        };
        for inbox in found.iter().filter(|inbox| inbox.namespace == *namespace) {
            inbox.push(data.clone(), self.kept_max, self.bytes_max);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.lock().len()
    }
}

impl Inbox {
    fn push(&self, data: Json, kept_max: usize, bytes_max: usize) {
        {
            let mut kept = self.kept.lock();
            kept.bytes += data.as_str().len();
            kept.pushes.push_back(data);
            while kept.pushes.len() > kept_max || (kept.bytes > bytes_max && kept.pushes.len() > 1) {
                let dropped = kept.pushes.pop_front().map_or(0, |data| data.as_str().len());
                kept.bytes -= dropped;
            }
            self.last.fetch_add(1, Ordering::Release);
        }
        self.waker.lock().wake();
    }
}

impl Client {
    /// The client's id.
    pub fn id(&self) -> &Arc<str> {
        &self.inbox.id
    }

    /// The client's tenant.
    pub fn namespace(&self) -> &Namespace {
        &self.inbox.namespace
    }

    /// The number of the last push.
    pub fn last_push(&self) -> u64 {
        self.inbox.last.load(Ordering::Acquire)
    }

    /// What is pushed to it, for a task that waits for it. Whoever asked for it before is not woken any more: a
    /// client that comes back hears on its new connection, whatever its old one still does.
    pub fn pushes(self: &Arc<Self>) -> Pushes {
        let waker = Arc::<AtomicWaker>::default();
        *self.inbox.waker.lock() = waker.clone();
        Pushes { client: self.clone(), waker }
    }

    /// What was pushed after number `after` and is kept, some of it if it is much.
    pub fn pushed(&self, after: u64) -> Pushed {
        let kept = self.inbox.kept.lock();
        let last = self.inbox.last.load(Ordering::Acquire);
        let gone = last - kept.pushes.len() as u64;
        let from = after.max(gone);
        let skip = usize::try_from(from - gone).unwrap_or(usize::MAX);
        let pushes = (from + 1..).zip(kept.pushes.iter().skip(skip).cloned()).take(AT_ONCE).collect();
        Pushed { missed: gone.saturating_sub(after), pushes }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut all = self.clients.all.lock();
        if all.get(self.id()).is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox)) {
            all.remove(self.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Woken(AtomicU64);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn number(n: u64) -> Json {
        Json::trusted(n.to_string())
    }

    fn numbers(pushed: &Pushed) -> Vec<u64> {
        pushed
            .pushes
            .iter()
            .map(|(p, data)| (*p, data.decode::<u64>().unwrap()))
            .map(|(p, n)| {
                assert_eq!(p, n);
                p
            })
            .collect()
    }

    #[test]
    fn a_push_reaches_those_it_is_for_in_their_namespace_only() {
        let clients = Arc::new(Clients::new(10, 1000));
        let other = Namespace::new("other").unwrap();
        let a = clients.join("a".into(), Namespace::default());
        let b = clients.join("b".into(), Namespace::default());
        let c = clients.join("c".into(), other.clone());
        clients.push(&Namespace::default(), &"a".into(), &number(1));
        clients.push(&Namespace::default(), &"c".into(), &number(1));
        clients.push(&Namespace::default(), &Recipients::from(vec!["b", "c", "nobody"]), &number(1));
        clients.push(&Namespace::default(), &Recipients::All, &number(2));
        clients.push(&other, &Recipients::All, &number(1));
        assert_eq!(numbers(&a.pushed(0)), [1, 2]);
        assert_eq!(numbers(&b.pushed(1)), [2]);
        assert_eq!(numbers(&c.pushed(0)), [1]);
        drop(a);
        assert_eq!(clients.len(), 2);
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_and_by_bytes_and_a_loss_is_told() {
        let clients = Arc::new(Clients::new(3, 6));
        let a = clients.join("a".into(), Namespace::default());
        for n in 1..=5 {
            clients.push(&Namespace::default(), &Recipients::All, &number(n));
        }
        let pushed = a.pushed(0);
        assert_eq!((pushed.missed, numbers(&pushed)), (2, vec![3, 4, 5]));
        assert_eq!(a.pushed(1).missed, 1);
        assert_eq!(a.pushed(4).missed, 0);
        clients.push(&Namespace::default(), &Recipients::All, &Json::trusted("\"too much at once\""));
        assert_eq!((a.pushed(5).pushes.len(), a.pushed(0).missed), (1, 5));
    }

    #[test]
    fn an_old_connection_that_still_waits_does_not_keep_the_new_one_from_hearing() {
        let clients = Arc::new(Clients::new(3, 6));
        let client = Arc::new(clients.join("a".into(), Namespace::default()));
        let (old, new) = (client.pushes(), client.pushes());
        let woken = Arc::new(Woken::default());
        let waker = std::task::Waker::from(woken.clone());
        assert!(new.poll_pushed(&mut Context::from_waker(&waker), 0).is_pending());
        assert!(old.poll_pushed(&mut Context::from_waker(std::task::Waker::noop()), 0).is_pending());
        clients.push(&Namespace::default(), &"a".into(), &number(1));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_client_that_takes_the_place_of_another_keeps_it_when_the_other_leaves() {
        let clients = Arc::new(Clients::new(3, 6));
        let old = clients.join("a".into(), Namespace::default());
        let new = clients.join("a".into(), Namespace::default());
        drop(old);
        clients.push(&Namespace::default(), &"a".into(), &number(1));
        assert_eq!(new.last_push(), 1);
    }
}
