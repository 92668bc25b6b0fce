//! Pages of several databases, put together in one order.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    StoreError,
    port::{
        BoxFuture,
        store::{AlarmCursor, DueAlarm, ListPage, ListQuery, Status},
    },
};
use futures_util::future::{join_all, try_join_all};

use super::store::Held;
use crate::page::Page;

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

/// Asks all databases at once, and takes what those say that are there; an error only if none of them is.
pub(super) async fn reachable<T>(
    held: &[Held],
    ask: impl Fn(&Held) -> BoxFuture<'static, Result<T, StoreError>>,
) -> Result<Vec<T>, StoreError> {
    let mut answers = Vec::with_capacity(held.len());
    let mut trouble = None;
    for (held, answer) in held.iter().zip(join_all(held.iter().map(ask)).await) {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                let error = named(&held.name, error);
                tracing::warn!(%error, "a database is left out");
                trouble = Some(error);
            }
        }
    }
    match trouble {
        Some(error) if answers.is_empty() => Err(error),
        _ => Ok(answers),
    }
}

/// The first of several sorted pages, as one.
pub(super) fn first<T, K: Ord>(pages: Vec<Vec<T>>, limit: usize, place: impl Fn(&T) -> K) -> Vec<T> {
    let mut all: Vec<T> = pages.into_iter().flatten().collect();
    all.sort_by_cached_key(place);
    all.truncate(limit);
    all
}

pub(super) fn place_of(due: &DueAlarm) -> AlarmCursor {
    AlarmCursor { due: due.alarm.due, key: due.key.clone(), name: due.alarm.name.clone() }
}

/// A page of a list over all databases.
pub(super) async fn list(held: Arc<[Held]>, query: ListQuery) -> Result<ListPage, StoreError> {
    // One more from each, so that it is known whether there is more.
    let one_more = ListQuery { limit: query.limit.max(1).saturating_add(1), ..query.clone() };
    let pages = all(&held, |held| held.store.list(one_more.clone())).await?;
    let mut page = Page::new(&query);
    for object in pages.into_iter().flat_map(|page| page.objects) {
        let value = match &query.order {
            Some(order) => order.value(&object.state.value()).into_owned(),
            None => serde_json::Value::Null,
        };
        if page.wants(&value, &object.id) {
            page.take(value, object);
        }
    }
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
