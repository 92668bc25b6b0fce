//! What foreign programs wrote to an object.

use abide_core::{
    Key, StoreError,
    port::store::{Notice, SharedKind, Strings},
};
use redis::{Cmd, Value as Reply};

use super::{flat, order::Order};
use crate::redis::{
    fault::{Fault, damaged},
    read::objects,
    reply, script,
    writer::Shared,
};

/// The fields of a flat hash that Abide neither wrote nor took in. Programs of distobject give ids without a
/// colon; where an object has one, and Abide wrote none of it, the hash is of somebody with a longer prefix.
pub(super) fn foreign(key: &Key, flat: &Strings, seen: &Strings) -> Strings {
    if seen.is_empty() && key.id().contains(':') {
        return Strings::new();
    }
    let foreign = flat.iter().filter(|(field, text)| seen.get(*field) != Some(text));
    foreign.map(|(field, text)| (field.clone(), text.clone())).collect()
}

/// What is new of an object. What was written to a deleted one is removed.
pub(super) async fn look(
    shared: &Shared,
    layout: &SharedKind,
    order: &Order,
    notice: &Notice,
) -> Result<Option<Strings>, StoreError> {
    let is_old = order.is_old(notice);
    order.looked(notice);
    if is_old {
        return Ok(None);
    }
    let key = &notice.key;
    let mark = notice.said.is_none().then(|| order.mark(key));
    let mut cmd = script::LOOK.call(shared.names.tag(shared.names.part(key)));
    cmd.arg(shared.names.of('o', key)).arg(flat(layout, key)).arg(shared.names.of('d', key));
    cmd.arg(looks(shared)).arg(mark.as_deref().unwrap_or_default());
    let looked = send(shared, key, &cmd).await;
    if looked.is_err() {
        order.forget(key);
    }
    let found: Result<[Reply; 3], _> = reply::list(looked?)?.try_into();
    let [object, found, seen] = found.map_err(|_| damaged("a look at an object is incomplete"))?;
    let seen = reply::hash(seen)?;
    let news = foreign(key, &reply::hash(found)?, &seen);
    if news.is_empty() {
        return Ok(None);
    }
    let loaded = objects::loaded(object)?;
    if loaded.is_some_and(|loaded| loaded.head.number() > 0 && loaded.state.is_none()) {
        tracing::warn!(%key, "a program of distobject wrote to an object that was deleted; it stays deleted");
        let mut remove = redis::cmd("UNLINK");
        remove.arg(flat(layout, key));
        return send(shared, key, &remove).await.map(|_| None);
    }
    match &notice.said {
        Some(said) => {
            let counts = |(field, text): &(&String, &String)| is_news(field, text, &news, &seen);
            let said: Strings = said.iter().filter(counts).map(|(field, text)| (field.clone(), text.clone())).collect();
            Ok(Some(said).filter(|said| !said.is_empty()))
        }
        None => Ok(Some(news)),
    }
}

/// Whether what a message says of a field was neither taken in before nor overwritten. After Abide wrote over
/// something that it had not taken in, messages may still say that; then only what stands there counts.
fn is_news(field: &str, text: &str, news: &Strings, seen: &Strings) -> bool {
    let Some(now) = news.get(field) else { return false };
    now == text || !seen.contains_key(&format!("\0{field}"))
}

/// The channel on which looks are marked.
pub(super) fn looks(shared: &Shared) -> String {
    format!("{}@looks", shared.names.channel())
}

async fn send(shared: &Shared, key: &Key, cmd: &Cmd) -> Result<Reply, StoreError> {
    let slot = shared.names.slot(shared.names.part(key));
    let answer = shared.writes.send(&[(slot, cmd)]).await.pop().unwrap_or(Err(Fault::Moved));
    answer.map_err(Fault::into_read_error)
}
