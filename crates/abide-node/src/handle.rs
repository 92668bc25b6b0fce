//! A typed name of an object: no I/O until something is asked of it.

use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Weak},
};

use abide_core::{
    Error, Json, Key, Result, Seq, Timestamp,
    error::Code,
    port::{Caller, store::Listed},
};

use parking_lot::Mutex;

use crate::{
    activation::Activation,
    call::{Call, may_inline},
    context::Scope,
    job::{HandlerInfo, HandlerMeta},
    kind::KindEntry,
    node::NodeCore,
    object::{Handler, Object},
    transaction::Transaction,
    watch::{After, Changes},
};

/// The handle of an object of type `O`. Objects exist by being named; cloning is cheap.
///
/// `#[object]` wraps it in a type with a method for each handler, which dereferences to this.
///
/// The object lives on a node of this process or, if the handle came from a client, elsewhere.
pub struct Handle<O: Object> {
    spot: Arc<Spot>,
    object: PhantomData<fn() -> O>,
}

/// Where the object is.
pub(crate) enum Spot {
    /// On a node of this process.
    Here(Place),
    /// Elsewhere, over a connection.
    There(Remote),
    /// Its name is none, or its kind is not known.
    Nowhere(Error),
}

/// An object that is called over a connection.
pub(crate) struct Remote {
    pub(crate) caller: Arc<dyn Caller>,
    /// Its namespace is that of the caller, which the server knows.
    pub(crate) key: Key,
}

/// Where an object is called, and from where.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) node: Arc<NodeCore>,
    pub(crate) key: Key,
    pub(crate) kind: Arc<KindEntry>,
    pub(crate) scope: Option<Arc<Scope>>,
    pub(crate) inline: bool,
    /// The transaction that the calls are a part of.
    pub(crate) transaction: Option<Transaction>,
    /// The activation that was found last: saves the look-up while it stays in memory.
    found: Found,
}

#[derive(Default)]
struct Found(Mutex<Weak<Activation>>);

impl Clone for Found {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Place {
    pub(crate) fn find(node: &Arc<NodeCore>, key: Key) -> Result<Self> {
        let kind = node.kinds.find(key.kind())?.clone();
        let inline = may_inline(&kind, node);
        Ok(Self { node: node.clone(), key, kind, scope: None, inline, transaction: None, found: Found::default() })
    }

    pub(crate) fn scoped(scope: &Scope, kind: &str, id: &str) -> Result<Self> {
        let key = Key::new(scope.key().namespace(), &scope.node().kinds.name(kind)?, id)?;
        Ok(Self { scope: Some(Arc::new(scope.clone())), ..Self::find(scope.node(), key)? })
    }

    /// The same, with its turns never on the caller's task.
    pub(crate) fn apart(mut self) -> Self {
        self.inline = false;
        self
    }

    /// The same, called within a transaction.
    pub(crate) fn within(mut self, transaction: &Transaction) -> Self {
        self.inline = false;
        self.scope = None;
        self.transaction = Some(transaction.clone());
        self
    }

    /// The object's activation, if it is in memory.
    pub(crate) fn activation(&self) -> Option<Arc<Activation>> {
        let mut found = self.found.0.lock();
        if let Some(activation) = found.upgrade() {
            return Some(activation);
        }
        let activation = self.node.directory.find(&self.key)?;
        *found = Arc::downgrade(&activation);
        Some(activation)
    }

    /// The handler's meta data with the kind's own counters.
    pub(crate) fn meta(&self, info: &HandlerInfo) -> HandlerMeta {
        let mut meta = HandlerMeta::from(info);
        if self.node.options.metered && meta.metrics.is_none() {
            meta.metrics = self.kind.handlers.get(info.name).and_then(|known| known.metrics.clone());
        }
        meta
    }
}

impl Spot {
    /// The object's name, or why it has none.
    pub(crate) fn key(&self) -> Result<&Key> {
        match self {
            Self::Here(place) => Ok(&place.key),
            Self::There(remote) => Ok(&remote.key),
            Self::Nowhere(error) => Err(error.clone()),
        }
    }

    /// The object's durable state.
    pub(crate) async fn snapshot(&self) -> Result<Option<Snapshot<Json>>> {
        match self {
            Self::Here(place) => place.node.snapshot(&place.key).await,
            Self::There(remote) => remote.snapshot().await,
            Self::Nowhere(error) => Err(error.clone()),
        }
    }
}

impl Remote {
    /// Why something is not to be had over a connection.
    fn not_here(&self) -> Error {
        let key = &self.key;
        Error::bad_request(format!(
            "{key} is called over a connection, and this is only to be had on its node; nothing was changed; call a \
             handler that does it there"
        ))
    }

    async fn snapshot(&self) -> Result<Option<Snapshot<Json>>> {
        let found = self.caller.get(self.key.kind().clone(), self.key.id().to_owned()).await?;
        Ok(found.map(|Listed { seq, state, created_at, updated_at, .. }| Snapshot {
            seq,
            state,
            created_at,
            updated_at,
        }))
    }

    async fn watch(&self, after: After) -> Result<Changes> {
        let after = match after {
            After::Now => None,
            After::Start => Some(Seq::ZERO),
            After::Seq(seq) => Some(seq),
        };
        let following = self.caller.watch(self.key.kind().clone(), self.key.id().to_owned(), after).await?;
        Ok(Changes::over(following))
    }
}

/// An object's state as it was read.
#[derive(Clone, Debug)]
pub struct Snapshot<S> {
    /// The seq it reflects.
    pub seq: Seq,
    /// The state.
    pub state: S,
    /// When the object was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl<O: Object> Handle<O> {
    pub(crate) fn new(place: Result<Place>) -> Self {
        Self::at(place.map_or_else(Spot::Nowhere, Spot::Here))
    }

    /// The object of this name elsewhere, called over a connection.
    ///
    /// It works as on a node; a call that does not say how often it may run takes effect once. What belongs to a turn
    /// or a transaction of the node (messages, [`Handle::within`], calls on another's behalf) is `bad_request`.
    pub fn over(caller: Arc<dyn Caller>, id: &str) -> Self {
        let key = Key::parse("default", O::KIND, id).map_err(Error::from);
        Self::at(key.map_or_else(Spot::Nowhere, |key| Spot::There(Remote { caller, key })))
    }

    fn at(spot: Spot) -> Self {
        Self { spot: Arc::new(spot), object: PhantomData }
    }

    pub(crate) fn spot(&self) -> &Arc<Spot> {
        &self.spot
    }

    pub(crate) fn scoped(scope: &Scope, id: &str) -> Self {
        Self::new(Place::scoped(scope, O::KIND, id))
    }

    pub(crate) fn place(&self) -> Result<&Place> {
        match &*self.spot {
            Spot::Here(place) => Ok(place),
            Spot::There(remote) => Err(remote.not_here()),
            Spot::Nowhere(error) => Err(error.clone()),
        }
    }

    /// How long a call waits unless it says otherwise.
    pub(crate) fn call_timeout(&self) -> std::time::Duration {
        self.place().map_or(std::time::Duration::ZERO, |place| place.node.options.call_timeout)
    }

    /// A call with these arguments, to be awaited.
    pub fn invoke<H: Handler<O>>(&self, args: H) -> Call<O, H> {
        Call::new(self.clone(), args)
    }

    /// The same object within a transaction that holds it: what is called through the handle happens in the
    /// transaction. Everything but calls is as outside of it.
    pub fn within(&self, transaction: &Transaction) -> O::Ref {
        O::Ref::from(Self::new(self.place().map(|place| place.clone().within(transaction))))
    }

    /// The object's name, or why it has none.
    pub fn key(&self) -> Result<&Key> {
        self.spot.key()
    }

    /// The object's durable state, decoded.
    ///
    /// # Errors
    /// `not_found` if it is not there; [`Handle::peek`] says `None` instead.
    pub async fn load(&self) -> Result<Snapshot<O>> {
        let found = self.peek().await?;
        found.ok_or_else(|| {
            let detail = format!("{self:?} is not there: no call has created it, or it was deleted");
            Error::new(Code::NotFound, detail)
        })
    }

    /// The object's durable state, decoded; `None` if it is not there.
    pub async fn peek(&self) -> Result<Option<Snapshot<O>>> {
        let Some(found) = self.spot.snapshot().await? else {
            return Ok(None);
        };
        let (state, _) = abide_core::state::decode::<O>(found.state.as_str())
            .map_err(|e| Error::internal(format!("the stored state does not fit {}: {e}", O::KIND)))?;
        Ok(Some(Snapshot { seq: found.seq, state, created_at: found.created_at, updated_at: found.updated_at }))
    }

    /// The stream of the object's changes, from a position on.
    pub async fn changes(&self, after: After) -> Result<Changes> {
        match &*self.spot {
            Spot::Here(place) => place.node.watch(&place.key, after).await,
            Spot::There(remote) => remote.watch(after).await,
            Spot::Nowhere(error) => Err(error.clone()),
        }
    }

    /// Deletes the object: state, alarms and history. Deleting what is not there is fine.
    ///
    /// Over a connection it is sent once at most: sent again, it could end what somebody has created since. If the
    /// connection breaks before the answer, it is `unavailable`, and the object may be deleted.
    pub async fn delete(&self) -> Result<()> {
        let place = match &*self.spot {
            Spot::Here(place) => place,
            Spot::There(Remote { caller, key }) => {
                return caller.delete(key.kind().clone(), key.id().to_owned()).await.map(drop);
            }
            Spot::Nowhere(error) => return Err(error.clone()),
        };
        if place.transaction.is_some() {
            return Err(Error::bad_request(format!(
                "a transaction deletes {} through a handler that says `ctx.delete_self()`; nothing was changed",
                place.key
            )));
        }
        place.node.delete(&place.key, None).await.map(drop)
    }
}

impl<O: Object> Clone for Handle<O> {
    fn clone(&self) -> Self {
        Self { spot: self.spot.clone(), object: PhantomData }
    }
}

impl<O: Object> fmt::Debug for Handle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key() {
            Ok(key) => write!(f, "{key}"),
            Err(error) => write!(f, "{}/?: {error}", O::KIND),
        }
    }
}
