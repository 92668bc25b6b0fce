//! The port for objects that live elsewhere: what a typed handle needs of a connection.

use std::{sync::Arc, time::Duration};

use super::BoxFuture;
use crate::{
    ChangeRecord, Filter, Json, Kind, Result, Seq,
    frame::ResetReason,
    port::store::{Listed, Order},
};

/// Who can call and watch objects on another machine.
///
/// # Delivery
/// A call takes effect as often as its [`Repeat`] says. Its answer comes within its timeout, or an error does
/// that says whether the call may have taken effect.
///
/// # Ordering
/// Updates of a watched object come in order and without a gap, or a reset says that there is one.
///
/// # Cancellation
/// Dropping the future of a call gives up waiting; the call may take effect all the same.
pub trait Caller: Send + Sync + 'static {
    /// Calls a handler: what it returned, and the seq that the answer reflects.
    fn call(&self, request: Request) -> BoxFuture<'static, Result<(Json, Seq)>>;

    /// Reads an object's durable state; `None` if it is not there.
    fn get(&self, kind: Kind, id: String) -> BoxFuture<'static, Result<Option<Listed>>>;

    /// Deletes an object; whether it was there. It is sent once at most: sent again, it could end the object's next
    /// life.
    fn delete(&self, kind: Kind, id: String) -> BoxFuture<'static, Result<bool>>;

    /// Lists objects of a kind, page by page.
    fn list(&self, search: Search) -> BoxFuture<'static, Result<SearchPage>>;

    /// Watches an object from after this seq on, or (`None`) from now on.
    fn watch(&self, kind: Kind, id: String, after: Option<Seq>) -> BoxFuture<'static, Result<Box<dyn Following>>>;
}

/// The updates of a watched object. Dropping it ends the watch.
pub trait Following: Send + Sync {
    /// The next update; `None` when there will be none any more.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Told>>>;

    /// The seq up to which updates were handed out.
    fn seq(&self) -> Seq;
}

/// A call that is about to be made.
#[derive(Clone, Debug)]
pub struct Request {
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The handler's name.
    pub handler: String,
    /// The arguments.
    pub args: Json,
    /// How often it may be sent.
    pub repeat: Repeat,
    /// How long to wait; `None` for as long as the caller usually does.
    pub timeout: Option<Duration>,
}

/// Which objects of a kind to list, in the namespace of who connected.
#[derive(Clone, Debug)]
pub struct Search {
    /// The kind.
    pub kind: Kind,
    /// Only ids that begin with this.
    pub prefix: String,
    /// Only objects whose state matches.
    pub filter: Option<Filter>,
    /// By the value of a field; otherwise by id.
    pub order: Option<Order>,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
    /// At most so many; the server may give less. `None`: as many as it usually does.
    pub limit: Option<usize>,
}

impl Search {
    /// All objects of a kind, by id.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, prefix: String::new(), filter: None, order: None, cursor: None, limit: None }
    }
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    /// The objects, in the order asked for.
    pub objects: Vec<Listed>,
    /// Where the next page begins; `None` if there are no more right now.
    pub cursor: Option<String>,
}

/// How often a call may be sent, when connections break or servers are too busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Once: it fails when the connection breaks before the answer.
    Never,
    /// As often as it takes: each time it may take effect anew.
    Freely,
    /// As often as it takes, with this key or (`None`) a fresh one: it takes effect once.
    Keyed(Option<Arc<str>>),
}

/// What a watcher hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The next change.
    Change(Arc<ChangeRecord>),
    /// The changes in between cannot be given: this is the state now.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The seq the state reflects.
        seq: Seq,
        /// The state; `None` if the object is not there.
        state: Option<Json>,
    },
}
