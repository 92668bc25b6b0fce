//! What clients ask of objects besides calling them. The answers are those of HTTP.

use std::sync::Arc;

use abide_core::{Error, Json, Key, Result, Seq, frame::List};

use super::{Answered, Who};
use crate::{
    answer::json::Text,
    reads::{Reads, in_time},
    routes::{
        list::{self, Wanted},
        object,
    },
    shared::Shared,
};

/// Reads an object's durable state, now or then; `null` if it is not there. It has its turn until it is taken.
pub(super) fn get(
    shared: &Arc<Shared>,
    who: &Who,
    key: Key,
    at: Option<Seq>,
    reads: &Reads,
) -> Result<impl Future<Output = Result<Answered>> + Send + use<>> {
    who.may_watch(shared, &key)?;
    let (node, within) = (shared.node.clone(), shared.limits.request_timeout);
    let reads = reads.clone();
    Ok(in_time(within, false, async move {
        let turn = Some(reads.turn().await?);
        let found = match at {
            Some(at) => Some(node.state_at(&key, at).await?),
            None => node.snapshot(&key).await?,
        };
        match found {
            Some(found) => Ok(Answered { value: json(object::whole(&key, &found))?, seq: found.seq, turn }),
            None => Ok(Answered { value: Json::null(), seq: Seq::ZERO, turn: None }),
        }
    }))
}

/// Deletes an object.
pub(super) fn delete(
    shared: &Arc<Shared>,
    who: &Who,
    key: Key,
) -> Result<impl Future<Output = Result<Answered>> + Send + use<>> {
    who.may_delete(shared, &key)?;
    let (node, within) = (shared.node.clone(), shared.limits.request_timeout);
    let principal = who.principal().cloned();
    Ok(in_time(within, true, async move {
        let deleted = node.delete(&key, principal).await?;
        let mut text = Text::object(32);
        text.boolean("deleted", deleted);
        Ok(Answered { value: json(text)?, seq: Seq::ZERO, turn: None })
    }))
}

/// Lists objects of a kind. The list has its turn until it is taken.
pub(super) fn list(
    shared: &Arc<Shared>,
    who: &Who,
    list: List,
    reads: &Reads,
) -> Result<impl Future<Output = Result<Answered>> + Send + use<>> {
    let caller = who.caller().clone();
    let most = shared.limits.page_items;
    let limit = match list.limit {
        None => list::USUAL.min(most),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Error::bad_request(format!("`limit` is 1 to {most}, not {limit}")))?,
    };
    let List { kind, prefix, filter, order, cursor, .. } = list;
    let (shared, reads) = (shared.clone(), reads.clone());
    Ok(in_time(shared.limits.request_timeout, false, async move {
        let turn = Some(reads.turn().await?);
        let wanted = Wanted { prefix, filter, order, cursor };
        let page = list::page(&shared, &caller, kind.as_str(), wanted, limit).await?;
        Ok(Answered { value: json(page.text())?, seq: Seq::ZERO, turn })
    }))
}

fn json(text: Text) -> Result<Json> {
    let text =
        String::from_utf8(text.finish()).map_err(|e| Error::internal(format!("BUG: an answer is no text: {e}")))?;
    Ok(Json::trusted(text))
}
