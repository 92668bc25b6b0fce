use std::{future::IntoFuture, marker::PhantomData};

use abide_core::{
    Error, Filter, Kind, Namespace, Result,
    port::{
        BoxFuture,
        store::{ListCursor, ListQuery, Listed, Order},
    },
};

use crate::{handle::Snapshot, node::Node, object::Object};

/// How many objects a page has unless asked.
const USUAL: usize = 100;

/// A search for objects of a type, to be awaited: what is durable of them, page by page.
#[must_use = "a search does nothing until it is awaited"]
pub struct Find<O: Object> {
    node: Node,
    query: Result<ListQuery>,
    object: PhantomData<fn() -> O>,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct FoundPage<O> {
    /// The objects, in the order asked for.
    pub objects: Vec<Found<O>>,
    /// Where the next page begins, for [`Find::after`]; `None` if there is nothing more right now.
    pub next: Option<ListCursor>,
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
        let query = Kind::new(O::KIND).map_err(Error::from).map(|kind| ListQuery {
            namespace: Namespace::default(),
            kind,
            prefix: String::new(),
            filter: None,
            order: None,
            after: None,
            limit: USUAL,
        });
        Self { node, query, object: PhantomData }
    }

    /// Only objects whose state matches, for example `count > 5 and status = open`. A filter that cannot
    /// be read is reported when the search is awaited.
    pub fn filter(self, filter: &str) -> Self {
        self.with(|query| {
            let filter = Filter::parse(filter).map_err(|error| Error::bad_request(error.to_string()))?;
            query.filter = Some(filter);
            Ok(())
        })
    }

    /// In the order of a field, `count`, or from its greatest value on, `-count`; by id otherwise.
    pub fn order(self, order: &str) -> Self {
        self.with(|query| {
            query.order = Some(Order::parse(order)?);
            Ok(())
        })
    }

    /// Only ids that begin with this.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|query| {
            query.prefix = prefix.into();
            Ok(())
        })
    }

    /// In this namespace instead of the default one.
    pub fn namespace(self, namespace: Namespace) -> Self {
        self.with(|query| {
            query.namespace = namespace;
            Ok(())
        })
    }

    /// Where an earlier page of the same search ended.
    pub fn after(self, cursor: ListCursor) -> Self {
        self.with(|query| {
            query.after = Some(cursor);
            Ok(())
        })
    }

    /// At most so many objects; 100 unless asked.
    pub fn limit(self, limit: usize) -> Self {
        self.with(|query| {
            query.limit = limit.max(1);
            Ok(())
        })
    }

    fn with(mut self, change: impl FnOnce(&mut ListQuery) -> Result<()>) -> Self {
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
            let page = self.node.list(self.query?).await?;
            let objects = page.objects.into_iter().map(found).collect::<Result<_>>()?;
            Ok(FoundPage { objects, next: page.next })
        })
    }
}

fn found<O: Object>(listed: Listed) -> Result<Found<O>> {
    let Listed { id, seq, state, created_at, updated_at } = listed;
    let (state, _) = abide_core::state::decode::<O>(state.as_str())
        .map_err(|e| Error::internal(format!("the stored state of {id} does not fit {}: {e}", O::KIND)))?;
    Ok(Found { id, snapshot: Snapshot { seq, state, created_at, updated_at } })
}
