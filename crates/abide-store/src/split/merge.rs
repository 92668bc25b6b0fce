//! Pages of several databases, put together in one order.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    StoreError,
    port::{
        BoxFuture,
        store::{AlarmsPage, DueAlarm, ListPage, ListQuery, OutboxPage, Status},
    },
};
use futures_util::future::try_join_all;

use super::store::Held;
use crate::page::{Page, Part, join};

/// Asks all databases at once.
pub(super) async fn all<T>(
    held: &[Held],
    ask: impl Fn(&Held) -> BoxFuture<'static, Result<T, StoreError>>,
) -> Result<Vec<T>, StoreError> {
    let named = held.iter().map(|held| {
        let asked = ask(held);
        async move { asked.await.map_err(|error| named(&held.name, error)) }
    });
    try_join_all(named).await
}

/// The first of several pages of alarms, as one.
pub(super) fn alarms(pages: Vec<AlarmsPage>, limit: usize, partial: bool) -> AlarmsPage {
    let parts = pages.into_iter().map(|page| {
        let end = page.alarms.last().filter(|_| page.more).map(DueAlarm::place);
        Part { rows: page.alarms, end }
    });
    let (alarms, more) = join(parts.collect(), limit, DueAlarm::place, DueAlarm::bytes);
    AlarmsPage { alarms, more, partial }
}

/// The first of several pages of messages, as one.
pub(super) fn messages(pages: Vec<OutboxPage>, limit: usize, partial: bool) -> OutboxPage {
    let parts = pages.into_iter().map(|page| {
        let end = page.messages.last().filter(|_| page.more).map(|message| message.id.clone());
        Part { rows: page.messages, end }
    });
    let (messages, more) = join(parts.collect(), limit, |message| message.id.clone(), |message| message.bytes());
    OutboxPage { messages, more, partial }
}

/// A page of a list over all databases.
pub(super) async fn list(held: Arc<[Held]>, query: ListQuery) -> Result<ListPage, StoreError> {
    let pages = all(&held, |held| held.store.list(query.clone())).await?;
    let mut page = Page::new(&query);
    let ends: Vec<_> = pages.iter().filter_map(|page| page.next.clone()).collect();
    for object in pages.into_iter().flat_map(|page| page.objects) {
        let value = match &query.order {
            Some(order) => order.value(&object.state.value()).into_owned(),
            None => serde_json::Value::Null,
        };
        if page.wants(&value, &object.id) {
            page.take(value, object);
        }
    }
    // Behind the end of one database's page there may be more of it.
    ends.into_iter().for_each(|end| page.end_behind(end));
    Ok(page.finish())
}

/// What is in all databases together.
pub(super) fn sum(name: &str, statuses: Vec<Status>) -> Status {
    let mut whole = Status { store: name.into(), ..Status::default() };
    let mut objects: BTreeMap<String, u64> = BTreeMap::new();
    for status in statuses {
        if whole.id.is_empty() {
            // An import gives all of them new ones.
            whole.id = status.id;
        }
        whole.schema = whole.schema.max(status.schema);
        for (kind, count) in status.objects {
            *objects.entry(kind).or_default() += count;
        }
        whole.indexes.extend(status.indexes);
        whole.changes += status.changes;
        whole.alarms += status.alarms;
        whole.dead_alarms += status.dead_alarms;
        whole.outbox += status.outbox;
        whole.outcomes += status.outcomes;
        whole.bytes += status.bytes;
        whole.importing = whole.importing.or(status.importing);
    }
    whole.objects = objects.into_iter().collect();
    whole.indexes.sort();
    whole.indexes.dedup();
    whole
}

/// An error with the name of the database that it is about.
pub(super) fn named(name: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{name}: {why}")),
        StoreError::Full(why) => StoreError::Full(format!("{name}: {why}")),
        StoreError::Unknown(why) => StoreError::Unknown(format!("{name}: {why}")),
        StoreError::Damaged(why) => StoreError::Damaged(format!("{name}: {why}")),
        StoreError::Unsupported(why) => StoreError::Unsupported(why),
        StoreError::Closed => StoreError::Closed,
    }
}
