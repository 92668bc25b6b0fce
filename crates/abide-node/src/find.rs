use std::{future::IntoFuture, marker::PhantomData, sync::Arc};

use abide_core::{
    Code, Error, Filter, Kind, Namespace, Result,
    port::{
        BoxFuture, Caller, Search, SearchPage,
        store::{ListCursor, ListQuery, Listed, Order},
    },
};

use crate::{handle::Snapshot, node::Node, object::Object};

/// How many objects a page has unless asked.
const USUAL: usize = 100;

/// A search for objects of a type, to be awaited: what is durable of them, page by page.
#[must_use = "a search does nothing until it is awaited"]
pub struct Find<O: Object> {
    place: Place,
    query: Result<Query>,
    object: PhantomData<fn() -> O>,
}

/// Where objects are looked for.
enum Place {
    /// On a node of this process.
    Here(Node),
    /// Elsewhere, over a connection.
    There(Arc<dyn Caller>),
}

/// What is looked for.
struct Query {
    /// Without its namespace; it has none over a connection.
    search: Search,
    namespace: Option<Namespace>,
    after: Option<FindCursor>,
}

/// Where the next page of a search begins. It is good for the same search, in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindCursor(Cursor);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    Here(ListCursor),
    There(String),
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct FoundPage<O> {
    /// The objects, in the order asked for.
    pub objects: Vec<Found<O>>,
    /// Where the next page begins, for [`Find::after`]; `None` if there is nothing more right now.
    pub next: Option<FindCursor>,
}

/// An object that was found.
#[derive(Clone, Debug)]
pub struct Found<O> {
    /// Its id.
    pub id: String,
    /// Its state.
    pub snapshot: Snapshot<O>,
}

impl<O: Object> Find<O> {
    pub(crate) fn new(node: Node) -> Self {
        Self::at(Place::Here(node))
    }

    /// A search elsewhere, over a connection: among the objects of who connected.
    pub fn over(caller: Arc<dyn Caller>) -> Self {
        Self::at(Place::There(caller))
    }

    fn at(place: Place) -> Self {
        let query = Kind::new(O::KIND).map_err(Error::from).map(|kind| Query {
            search: Search { limit: Some(USUAL), ..Search::new(kind) },
            namespace: None,
            after: None,
        });
        Self { place, query, object: PhantomData }
    }

    /// Only objects whose state matches, for example `count > 5 and status = open`. A filter that cannot
    /// be read is reported when the search is awaited.
    pub fn filter(self, filter: &str) -> Self {
        self.with(|query| {
            let filter = Filter::parse(filter).map_err(|error| Error::bad_request(error.to_string()))?;
            query.search.filter = Some(filter);
            Ok(())
        })
    }

    /// In the order of a field, `count`, or from its greatest value on, `-count`; by id otherwise.
    pub fn order(self, order: &str) -> Self {
        self.with(|query| {
            query.search.order = Some(Order::parse(order)?);
            Ok(())
        })
    }

    /// Only ids that begin with this.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|query| {
            query.search.prefix = prefix.into();
            Ok(())
        })
    }

    /// In this namespace instead of the default one. Over a connection there is no choice: it is the one of who
    /// connected.
    pub fn namespace(self, namespace: Namespace) -> Self {
        self.with(|query| {
            query.namespace = Some(namespace);
            Ok(())
        })
    }

    /// Where an earlier page of the same search ended.
    pub fn after(self, cursor: FindCursor) -> Self {
        self.with(|query| {
            query.after = Some(cursor);
            Ok(())
        })
    }

    /// At most so many objects; 100 unless asked.
    pub fn limit(self, limit: usize) -> Self {
        self.with(|query| {
            query.search.limit = Some(limit.max(1));
            Ok(())
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Query) -> Result<()>) -> Self {
        self.query = self.query.and_then(|mut query| {
            change(&mut query)?;
            Ok(query)
        });
        self
    }
}

impl<O: Object> IntoFuture for Find<O> {
    type Output = Result<FoundPage<O>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (objects, next) = match self.place {
                Place::Here(node) => find_here(&node, self.query?).await?,
                Place::There(caller) => find_there(&*caller, self.query?).await?,
            };
            let objects = objects.into_iter().map(found).collect::<Result<_>>()?;
            Ok(FoundPage { objects, next: next.map(FindCursor) })
        })
    }
}

async fn find_here(node: &Node, query: Query) -> Result<(Vec<Listed>, Option<Cursor>)> {
    let Query { search: Search { kind, prefix, filter, order, limit, .. }, namespace, after } = query;
    let after = match after {
        None => None,
        Some(FindCursor(Cursor::Here(after))) => Some(after),
        Some(FindCursor(Cursor::There(_))) => return Err(elsewhere()),
    };
    let (namespace, limit) = (namespace.unwrap_or_default(), limit.unwrap_or(USUAL));
    let page = node.list(ListQuery { namespace, kind, prefix, filter, order, after, limit }).await?;
    Ok((page.objects, page.next.map(Cursor::Here)))
}

async fn find_there(caller: &dyn Caller, query: Query) -> Result<(Vec<Listed>, Option<Cursor>)> {
    let Query { mut search, namespace, after } = query;
    if namespace.is_some() {
        return Err(Error::bad_request(
            "over a connection objects are looked for in the namespace of who connected; leave `.namespace(…)` out",
        ));
    }
    search.cursor = match after {
        None => None,
        Some(FindCursor(Cursor::There(after))) => Some(after),
        Some(FindCursor(Cursor::Here(_))) => return Err(elsewhere()),
    };
    let kind = search.kind.clone();
    let SearchPage { objects, cursor } = caller.list(search).await?;
    if let Some(hidden) = objects.iter().find(|listed| listed.state.as_str() == "null") {
        let id = &hidden.id;
        let detail = format!(
            "this caller may list {kind} but not watch {id:?}, whose state is not shown; nothing was changed; \
             `client.list` gives what may be seen"
        );
        return Err(Error::new(Code::Denied, detail));
    }
    Ok((objects, cursor.map(Cursor::There)))
}

fn elsewhere() -> Error {
    Error::bad_request("this cursor is of a search in another place: begin anew without it")
}

fn found<O: Object>(listed: Listed) -> Result<Found<O>> {
    let Listed { id, seq, state, created_at, updated_at } = listed;
    let (state, _) = abide_core::state::decode::<O>(state.as_str())
        .map_err(|e| Error::internal(format!("the stored state of {id} does not fit {}: {e}", O::KIND)))?;
    Ok(Found { id, snapshot: Snapshot { seq, state, created_at, updated_at } })
}
