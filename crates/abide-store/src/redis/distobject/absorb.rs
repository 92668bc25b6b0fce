//! Taking in what foreign programs wrote.

use std::collections::BTreeMap;

use abide_core::{
    Cause, Change, ChangeRecord, Epoch, Incarnation, Json, Key, StoreError, Timestamp,
    port::store::{Commit, Loaded, Write},
};
use redis::{Cmd, Value as Reply};
use serde_json::{Map, Value};

use super::{KindLayout, form};
use crate::redis::{
    encode,
    fault::{Fault, damaged},
    indexing,
    read::{self, objects},
    reply, script,
    writer::Shared,
};

/// How often it starts over because the object was committed meanwhile.
const TRIES: usize = 20;

type Strings = BTreeMap<String, String>;

/// What is known of an object at one moment.
struct Look {
    loaded: Option<Loaded>,
    flat: Strings,
    seen: Strings,
    epoch: Epoch,
}

impl Look {
    /// The fields of the flat hash that Abide neither wrote nor took in.
    fn foreign(&self) -> Strings {
        let foreign = self.flat.iter().filter(|(field, text)| self.seen.get(*field) != Some(text));
        foreign.map(|(field, text)| (field.clone(), text.clone())).collect()
    }
}

/// Takes in what foreign programs wrote to an object: what a message of theirs says, or all that its
/// hash says. Returns whether there was anything. A message whose news was taken in before is nothing.
pub(in crate::redis) async fn absorb(
    shared: &Shared,
    layout: &KindLayout,
    key: &Key,
    message: Option<&Strings>,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let look = look(shared, layout, key).await?;
        let foreign = look.foreign();
        if foreign.is_empty() || message.is_some_and(|said| !said.keys().any(|field| foreign.contains_key(field))) {
            return Ok(false);
        }
        let grave = look.loaded.as_ref().is_some_and(|loaded| loaded.head.number() > 0 && loaded.state.is_none());
        if grave {
            tracing::warn!(%key, "a program of distobject wrote to an object that was deleted; it stays deleted");
            return remove(shared, layout, key).await.map(|()| false);
        }
        let news = message.cloned().unwrap_or(foreign);
        let commit = commit(shared, layout, key, &look, &news);
        let declared = shared.declared.read().clone();
        let cmd = encode::absorb(&shared.names, &declared, &commit, &layout.flat(key), &news);
        let slot = shared.names.slot(shared.names.part(key));
        let answer = shared.writes.send(&[(slot, &cmd)]).await.pop().unwrap_or(Err(Fault::Moved));
        let answer = answer.map_err(Fault::into_error)?;
        match reply::texts(&answer)?.first().map(String::as_str) {
            Some("D") => return Ok(true),
            Some("I") => drop(indexing::reload(shared).await?),
            // Somebody else was faster.
            Some(_) => {}
            None => return Err(damaged("a foreign write was not answered")),
        }
    }
    Err(StoreError::Unavailable(format!("{key} is written by others again and again")))
}

async fn look(shared: &Shared, layout: &KindLayout, key: &Key) -> Result<Look, StoreError> {
    let part = shared.names.part(key);
    let tag = shared.names.tag(part);
    let mut cmd = script::LOOK.call(tag);
    cmd.arg(shared.names.of('o', key)).arg(layout.flat(key)).arg(shared.names.of('d', key));
    cmd.arg(format!("{tag}:epochs")).arg(key.shard(shared.names.shards).number());
    let [found] = read::all(shared, [(shared.names.slot(part), cmd)]).await?;
    let found: Result<[Reply; 4], _> = reply::list(found)?.try_into();
    let [object, flat, seen, epoch] = found.map_err(|_| damaged("a look at an object is incomplete"))?;
    Ok(Look {
        loaded: objects::loaded(object)?,
        flat: reply::hash(flat)?,
        seen: reply::hash(seen)?,
        epoch: Epoch::new(reply::number(epoch)?),
    })
}

/// The foreign write as a commit on what was found.
fn commit(shared: &Shared, layout: &KindLayout, key: &Key, look: &Look, news: &Strings) -> Commit {
    let now = now();
    let state = look.loaded.as_ref().and_then(|loaded| loaded.state.as_ref()).map(Json::value);
    let mut state = match state {
        Some(Value::Object(state)) => state,
        _ => Map::new(),
    };
    let patch = patch(layout, key, &state, news);
    for (field, value) in &patch {
        state.insert(field.clone(), value.clone());
    }
    let loaded = look.loaded.as_ref();
    let expected = loaded.map(|loaded| loaded.head).unwrap_or_default();
    let change = Change {
        seq: expected.next(),
        at: now,
        patch,
        ops: Map::new(),
        removed: Vec::new(),
        events: Vec::new(),
        cause: Cause { handler: "distobject".into(), ..Cause::default() },
        deleted: false,
    };
    let record = ChangeRecord {
        seq: change.seq,
        at: now,
        json: Json::of(&change).unwrap_or_else(|_| Json::null()),
        snapshot: None,
    };
    let there = loaded.filter(|loaded| loaded.state.is_some());
    Commit {
        key: key.clone(),
        shard: key.shard(shared.names.shards),
        epoch: look.epoch,
        id: ulid::Ulid::generate().0 as u64,
        group: None,
        expected,
        incarnation: there.map_or(Incarnation::new(1), |loaded| loaded.incarnation),
        write: Write::Put {
            state: Json::trusted(Value::Object(state).to_string()),
            version: there.map_or(1, |loaded| loaded.version),
            created_at: there.map_or(now, |loaded| loaded.created_at),
            updated_at: now,
        },
        changes: vec![record],
        // As the object's owner does: it has a history, or it has none.
        keep_changes: there.is_none_or(|loaded| loaded.floor < loaded.head),
        trim: None,
        alarms: Vec::new(),
        outbox: Vec::new(),
        received: Vec::new(),
        outcomes: Vec::new(),
    }
}

/// The strings as values. A string that is not what its field holds is left out, with a warning.
fn patch(layout: &KindLayout, key: &Key, state: &Map<String, Value>, news: &Strings) -> Map<String, Value> {
    let value = |(field, text): (&String, &String)| {
        let form = layout.fields.get(field).copied().unwrap_or_else(|| form::of(state.get(field)));
        let value = form::read(text, form);
        if value.is_none() {
            tracing::warn!(%key, field, text, ?form, "a program of distobject wrote what the field cannot hold");
        }
        Some((field.clone(), value?))
    };
    news.iter().filter_map(value).collect()
}

/// Removes the flat hash of an object that was deleted.
async fn remove(shared: &Shared, layout: &KindLayout, key: &Key) -> Result<(), StoreError> {
    let mut cmd: Cmd = redis::cmd("UNLINK");
    cmd.arg(layout.flat(key));
    let slot = shared.names.slot(shared.names.part(key));
    let answer = shared.writes.send(&[(slot, &cmd)]).await.pop().unwrap_or(Err(Fault::Moved));
    answer.map(drop).map_err(Fault::into_error)
}

#[expect(clippy::disallowed_methods, reason = "foreign programs write in real time, whatever clock the node has")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
