use std::collections::{BTreeMap, BTreeSet, HashMap};

use abide_core::{Key, Seq, StoreError, port::store::Row};
use redis::{Cmd, Value};

use super::{
    Underway,
    begin::send,
    place::{key_of, place},
    reached, said, underway,
};
use crate::redis::{
    fault::{Fault, damaged},
    indexing,
    names::{self, Names},
    read, reply, script,
    writer::Shared,
};

/// How often rows are placed anew because indexes were declared meanwhile.
const DECLARED_TRIES: usize = 3;
/// How many objects are looked at together.
const PAGE: usize = 500;

/// Takes rows in. Each part notes for itself which rows are in; when all have, the store does, and which
/// parts had some of them: a part's server that loses its last writes loses its own note with them.
pub(in crate::redis) async fn import(shared: &Shared, from: u64, rows: Vec<Row>) -> Result<(), StoreError> {
    let under = underway(shared).await?.ok_or_else(said::not_begun)?;
    let first = under.importing.rows.max(from);
    let rows: Vec<Row> = said::fresh(under.importing.rows, from, rows)?.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let done = kept(shared, &under).await?.ok_or_else(said::lost)?;
    check(shared, &done, first, &rows).await?;
    let end = first + rows.len() as u64;
    for _ in 0..DECLARED_TRIES {
        if take_in(shared, &under, first, &rows).await? {
            let (meta, slot) = Names::meta(shared.names.prefix());
            let mut set = redis::cmd("HSET");
            set.arg(meta).arg("imported").arg(end);
            let parts: BTreeSet<u32> = rows.iter().map(|row| shared.names.part(key_of(row))).collect();
            for part in parts {
                set.arg(reached(part)).arg(end);
            }
            return send(shared, vec![(slot, set)]).await;
        }
        indexing::reload(shared).await?;
    }
    Err(StoreError::Unavailable("indexes are being declared again and again".into()))
}

/// Says whether they are in; otherwise indexes were declared meanwhile.
async fn take_in(shared: &Shared, under: &Underway, first: u64, rows: &[Row]) -> Result<bool, StoreError> {
    let declared = shared.declared.read().clone();
    let end = first + rows.len() as u64;
    let mut parts: BTreeMap<u32, Cmd> = BTreeMap::new();
    for (row, number) in rows.iter().zip(first..) {
        let part = shared.names.part(key_of(row));
        let cmd = parts.entry(part).or_insert_with(|| {
            let tag = shared.names.tag(part);
            let mut cmd = script::IMPORT.call(tag);
            cmd.arg(tag).arg(&under.id).arg(end).arg(declared.generation).arg(under.reached[part as usize]);
            cmd
        });
        for words in place(&shared.names, &declared, row) {
            cmd.arg(number).arg(words.len()).arg(words);
        }
    }
    let commands: Vec<_> = parts.iter().map(|(part, cmd)| (shared.names.slot(*part), cmd)).collect();
    let mut in_all = true;
    for answer in shared.writes.send(&commands).await {
        match reply::texts(&answer.map_err(Fault::into_error)?)?.first().map(String::as_str) {
            Some("D") => {}
            Some("I") => in_all = false,
            Some("L") => return Err(said::lost()),
            _ => return Err(said::not_begun()),
        }
    }
    Ok(in_all)
}

/// Where an object's log is.
#[derive(Clone, Copy)]
struct Place {
    last: Seq,
    head: Seq,
}

/// Refuses rows that do not follow what is in.
async fn check(shared: &Shared, done: &[u64], first: u64, rows: &[Row]) -> Result<(), StoreError> {
    let fresh: Vec<&Row> = rows
        .iter()
        .zip(first..)
        .filter(|(row, number)| done[shared.names.part(key_of(row)) as usize] <= *number)
        .map(|(row, _)| row)
        .collect();
    let mut places = known(shared, &fresh).await?;
    for row in fresh {
        match row {
            Row::Object(row) => drop(places.insert(row.key.clone(), Place { last: row.floor, head: row.head })),
            Row::Message(_) => {}
            Row::Change { key, change } => {
                let place = places.get_mut(key).ok_or_else(|| said::without_object(key))?;
                said::follows(key, place.last, place.head, change)?;
                place.last = change.seq;
            }
            Row::Alarm { key, .. } | Row::Received { key, .. } | Row::Outcome { key, .. } => {
                places.get(key).ok_or_else(|| said::without_object(key))?;
            }
        }
    }
    Ok(())
}

/// Which rows each part has; nothing if one of them lacks some that it had.
pub(super) async fn kept(shared: &Shared, under: &Underway) -> Result<Option<Vec<u64>>, StoreError> {
    let get = |tag: &str| {
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(format!("{tag}:meta")).arg(&["import", "imported", "ended"]);
        cmd
    };
    let mut done = Vec::with_capacity(under.reached.len());
    for (found, reached) in read::parts(shared, get).await?.into_iter().zip(&under.reached) {
        let mut found = reply::list(found)?.into_iter();
        let id = reply::maybe(found.next().unwrap_or(Value::Nil))?;
        let imported = reply::number(found.next().unwrap_or(Value::Nil))?;
        let ended = reply::maybe(found.next().unwrap_or(Value::Nil))?;
        if ended.as_ref() == Some(&under.id) {
            // It was told of the end, and what came before that is there as well.
            done.push(*reached);
        } else if id.as_ref() == Some(&under.id) && imported >= *reached {
            done.push(imported);
        } else {
            return Ok(None);
        }
    }
    Ok(Some(done))
}

/// The objects of rows that are in already.
async fn known(shared: &Shared, rows: &[&Row]) -> Result<HashMap<Key, Place>, StoreError> {
    let mut keys: Vec<&Key> = rows.iter().filter(|row| !matches!(row, Row::Object(_))).map(|row| key_of(row)).collect();
    keys.sort_unstable();
    keys.dedup();
    let found = places(shared, &keys).await?;
    Ok(keys.into_iter().cloned().zip(found).filter_map(|(key, place)| Some((key, place?))).collect())
}

async fn places(shared: &Shared, keys: &[&Key]) -> Result<Vec<Option<Place>>, StoreError> {
    let mut commands = Vec::with_capacity(2 * keys.len());
    for key in keys {
        let slot = shared.names.slot(shared.names.part(key));
        let mut numbers = redis::cmd("HMGET");
        numbers.arg(shared.names.of('o', key)).arg("@head").arg("@floor");
        let mut kept = redis::cmd("LLEN");
        kept.arg(shared.names.of('c', key));
        commands.extend([(slot, numbers), (slot, kept)]);
    }
    let mut found = read::many(shared, &commands).await?.into_iter();
    let mut places = Vec::with_capacity(keys.len());
    while let (Some(numbers), Some(kept)) = (found.next(), found.next()) {
        let mut numbers = reply::list(numbers)?.into_iter();
        let head = numbers.next().unwrap_or(Value::Nil);
        let floor = Seq::new(reply::number(numbers.next().unwrap_or(Value::Nil))?);
        let last = floor.plus(reply::number(kept)?);
        let place = match head {
            Value::Nil => None,
            head => Some(Place { last, head: Seq::new(reply::number(head)?) }),
        };
        places.push(place);
    }
    Ok(places)
}

/// Ends an import.
pub(in crate::redis) async fn done(shared: &Shared, rows: u64) -> Result<(), StoreError> {
    let under = underway(shared).await?.ok_or_else(said::not_begun)?;
    if under.importing.rows != rows {
        return Err(said::miscounted(&under.importing, rows));
    }
    kept(shared, &under).await?.ok_or_else(said::lost)?;
    for part in 0..shared.names.parts {
        logs_lead_to_heads(shared, part).await?;
    }
    // The parts first: until the store itself says that it is whole, it is not.
    tell_the_end(shared, &under).await?;
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut whole = redis::cmd("HDEL");
    whole.arg(meta).arg("import").arg("importing").arg("imported").arg("cleared");
    for part in 0..shared.names.parts {
        whole.arg(reached(part));
    }
    send(shared, vec![(slot, whole)]).await
}

/// Tells every part, each of which looks once more whether it has its rows.
async fn tell_the_end(shared: &Shared, under: &Underway) -> Result<(), StoreError> {
    let end = |(part, reached): (u32, &u64)| {
        let tag = shared.names.tag(part);
        let mut cmd = script::END.call(tag);
        cmd.arg(tag).arg(&under.id).arg(reached);
        (shared.names.slot(part), cmd)
    };
    let ends: Vec<_> = (0..shared.names.parts).zip(&under.reached).map(end).collect();
    let commands: Vec<_> = ends.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    for answer in shared.writes.send(&commands).await {
        let answer = reply::texts(&answer.map_err(Fault::into_error)?)?;
        if answer.first().map(String::as_str) != Some("D") {
            return Err(said::lost());
        }
    }
    Ok(())
}

async fn logs_lead_to_heads(shared: &Shared, part: u32) -> Result<(), StoreError> {
    let mut low = b"-".to_vec();
    loop {
        let mut cmd = redis::cmd("ZRANGEBYLEX");
        cmd.arg(format!("{}:objects", shared.names.tag(part))).arg(&low).arg("+").arg("LIMIT").arg(0).arg(PAGE);
        let [found] = read::all(shared, [(shared.names.slot(part), cmd)]).await?;
        let found = reply::texts(&found)?;
        let Some(last) = found.last() else { return Ok(()) };
        low = format!("({last}").into_bytes();
        let key = |name: &String| names::parse_name(name).ok_or_else(|| damaged(format!("{name:?} is no object")));
        let keys: Vec<Key> = found.iter().map(key).collect::<Result<_, _>>()?;
        let places = places(shared, &keys.iter().collect::<Vec<_>>()).await?;
        for (key, place) in keys.iter().zip(places) {
            let place = place.ok_or_else(|| damaged(format!("{key} has no head")))?;
            if place.last != place.head {
                return Err(said::cut_short(key, place.last, place.head));
            }
        }
    }
}
