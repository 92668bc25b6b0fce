//! Checks over everything that is stored.

mod places;

use abide_core::{Json, Key, StoreError, filter::Path};
use redis::{Cmd, Value};

use super::{
    fault::Fault,
    moving,
    names::{self, Names},
    read::{self, objects},
    reply, value,
    writer::Shared,
};
use crate::texts;

/// How many keys the server is asked to look at for one page.
const SCAN: usize = 500;
/// How often an object that changes meanwhile is looked at.
const LOOKS: usize = 100;

/// The faults found, at most `limit`. The store may be in use: each object is looked at by itself,
/// and again where it changes meanwhile.
pub(super) async fn verify(shared: &Shared, limit: usize) -> Result<Vec<String>, StoreError> {
    if let Some(underway) = moving::underway(shared).await? {
        // What is not in yet is no fault.
        return Ok(vec![crate::import::fault(&underway.importing)]);
    }
    let mut faults = Vec::new();
    for link in shared.reads.all() {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{{{}:*}}:o:*", shared.names.prefix()));
            scan.arg("COUNT").arg(SCAN);
            let answer = link.send(&[&scan]).await.pop().unwrap_or(Ok(Value::Nil));
            let mut answer = reply::list(answer.map_err(Fault::into_read_error)?)?.into_iter();
            cursor = reply::text(answer.next().unwrap_or_default())?;
            for key in reply::list(answer.next().unwrap_or(Value::Array(Vec::new())))? {
                let key = reply::text(key)?;
                if let Some(name) = object_name(shared.names.prefix(), &key) {
                    object(shared, &key, name, limit, &mut faults).await?;
                }
            }
            if cursor == "0" || faults.len() >= limit {
                break;
            }
        }
    }
    if faults.len() < limit {
        epochs(shared, &mut faults).await?;
        places::places(shared, limit, &mut faults).await?;
    }
    faults.truncate(limit);
    Ok(faults)
}

/// The name of the object whose hash is at this key; `None` if the key is something else, or of a store with
/// a longer prefix. Names can have anything in them.
fn object_name<'k>(prefix: &str, key: &'k str) -> Option<&'k str> {
    let (part, rest) = key.strip_prefix('{')?.strip_prefix(prefix)?.strip_prefix(':')?.split_once('}')?;
    let is_number = !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    rest.strip_prefix(":o:").filter(|_| is_number)
}

/// The answer of a command that reads; none where what is stored there is not what it reads, which is a fault.
async fn ask(
    shared: &Shared,
    part: u32,
    cmd: &Cmd,
    key: &str,
    faults: &mut Vec<String>,
) -> Result<Option<Value>, StoreError> {
    let answer = shared.reads.send(&[(shared.names.slot(part), cmd)]).await.pop().unwrap_or(Ok(Value::Nil));
    match answer.map_err(Fault::into_read_error) {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Damaged(why)) => {
            faults.push(format!("{key}: {why}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What is the matter, without advice to verify the store.
fn why(error: StoreError) -> String {
    match error {
        StoreError::Damaged(why) => why,
        other => other.to_string(),
    }
}

async fn object(
    shared: &Shared,
    stored_at: &str,
    name: &str,
    limit: usize,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    let Some(key) = names::parse_name(name) else {
        faults.push(format!("{stored_at}: it is no object's key"));
        return Ok(());
    };
    let belongs = shared.names.of('o', &key);
    if stored_at != belongs {
        faults.push(format!("{key}: it is stored at {stored_at}, its hash belongs to {belongs}"));
        return Ok(());
    }
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        found.clear();
        let before = look(shared, &key, &mut found).await?;
        // What was read one after the other belongs together if nothing was committed meanwhile. What is written to
        // all the time is not seen so, and not called damaged for it.
        if before == last_commit(shared, &key).await? {
            faults.append(&mut found);
        }
        if found.is_empty() {
            break;
        }
    }
    places::outcomes(shared, &key, limit, faults).await
}

/// What is different after each commit.
type LastCommit = [Option<String>; 2];

async fn last_commit(shared: &Shared, key: &Key) -> Result<LastCommit, StoreError> {
    let mut cmd = redis::cmd("HMGET");
    cmd.arg(shared.names.of('o', key)).arg("@commit").arg("@head");
    let found = ask(shared, shared.names.part(key), &cmd, "", &mut Vec::new()).await?;
    let mut found = reply::list(found.unwrap_or(Value::Array(Vec::new())))?.into_iter();
    let mut next = || reply::maybe(found.next().unwrap_or_default());
    Ok([next()?, next()?])
}

/// The faults of an object, and by which commit its hash was.
async fn look(shared: &Shared, key: &Key, faults: &mut Vec<String>) -> Result<LastCommit, StoreError> {
    let part = shared.names.part(key);
    let (mut hash, mut entries, mut snapshots) = (redis::cmd("HGETALL"), redis::cmd("LRANGE"), redis::cmd("ZRANGE"));
    hash.arg(shared.names.of('o', key));
    entries.arg(shared.names.of('c', key)).arg(0).arg(-1);
    snapshots.arg(shared.names.of('n', key)).arg(0).arg(-1);
    let owner = key.to_string();
    let Some(hash) = ask(shared, part, &hash, &owner, faults).await? else { return Ok([None, None]) };
    let fields = reply::hash(hash.clone()).unwrap_or_default();
    let by = ["@commit", "@head"].map(|field| fields.get(field).cloned());
    let loaded = match objects::loaded(hash) {
        Ok(Some(loaded)) => loaded,
        Ok(None) => {
            faults.push(format!("{key}: it has no head"));
            return Ok(by);
        }
        Err(error) => {
            faults.push(format!("{key}: {}", why(error)));
            return Ok(by);
        }
    };
    let entries = match ask(shared, part, &entries, &format!("{key}, its changes"), faults).await? {
        Some(entries) => reply::list(entries)?,
        None => Vec::new(),
    };
    if loaded.floor.plus(entries.len() as u64) != loaded.head {
        let (floor, head) = (loaded.floor, loaded.head);
        faults.push(format!("{key}: its log is not dense: floor {floor}, head {head}, {} changes kept", entries.len()));
    }
    for (entry, n) in entries.into_iter().zip(1..) {
        let seq = loaded.floor.plus(n);
        match reply::text(entry).and_then(|entry| objects::change(seq, &entry)) {
            Ok(change) => faults.extend(texts::change(&owner, seq, change.json.as_str())),
            Err(error) => faults.push(format!("{key}: its change {seq}: {}", why(error))),
        }
    }
    if let Some(all) = ask(shared, part, &snapshots, &format!("{key}, its snapshots"), faults).await? {
        for snapshot in reply::list(all)? {
            let snapshot = reply::text(snapshot).unwrap_or_default();
            match snapshot.split_once(':') {
                Some((seq, text)) => faults.extend(texts::json(&owner, &format!("snapshot of {seq}"), text)),
                None => faults.push(format!("{key}: it has a snapshot of no seq")),
            }
        }
    }
    if let Some(state) = &loaded.state
        && Json::parse(state.as_str()).is_err()
    {
        faults.push(format!("{key}: its state is no JSON"));
    }
    if loaded.state.is_none() && loaded.head.number() > 0 && !loaded.alarms.is_empty() {
        faults.push(format!("{key}: it is deleted and has {} alarms", loaded.alarms.len()));
    }
    places(shared, key, &loaded, faults).await?;
    Ok(by)
}

/// What is kept about an object outside its hash says the same.
async fn places(
    shared: &Shared,
    key: &Key,
    loaded: &abide_core::port::store::Loaded,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    let part = shared.names.part(key);
    let (tag, slot) = (shared.names.tag(part), shared.names.slot(part));
    let score = |set: &str, member: Vec<u8>| {
        let mut cmd = redis::cmd("ZSCORE");
        cmd.arg(format!("{tag}:{set}")).arg(member);
        (slot, cmd)
    };
    let kinds = format!("{}:{}", key.namespace(), key.kind());
    let mut wanted = vec![("the list of all".to_owned(), true), ("its kind's list".to_owned(), loaded.state.is_some())];
    let mut commands = vec![
        score("objects", names::name(key).into_bytes()),
        score(&format!("k:{kinds}"), key.id().as_bytes().to_vec()),
    ];
    for alarm in &loaded.alarms {
        let cursor =
            abide_core::port::store::AlarmCursor { due: alarm.due, key: key.clone(), name: alarm.name.clone() };
        let member = names::alarm_member(&cursor);
        wanted.push((format!("the due alarms, for {:?}", alarm.name), alarm.dead.is_none()));
        commands.push(score("due", member.clone()));
        wanted.push((format!("the dead alarms, for {:?}", alarm.name), alarm.dead.is_some()));
        commands.push(score("dead", member));
    }
    let declared = shared.declared.read().clone();
    if let Some(state) = &loaded.state {
        let state = state.value();
        for path in declared.paths(key.kind()) {
            let member = [value::encode(Path::find(path, &state)), key.id().as_bytes().to_vec()].concat();
            wanted.push((format!("the index on {path}"), true));
            commands.push(score(&format!("x:{kinds}:{path}"), member));
        }
    }
    let commands: Vec<_> = commands.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    for ((place, wanted), found) in wanted.into_iter().zip(shared.reads.send(&commands).await) {
        let found = match found.map_err(Fault::into_read_error) {
            Ok(found) => !matches!(found, Value::Nil),
            // It is no sorted set: nobody is in it.
            Err(StoreError::Damaged(_)) => false,
            Err(error) => return Err(error),
        };
        if found != wanted {
            let how = if wanted { "it is missing in" } else { "it should not be in" };
            faults.push(format!("{key}: {how} {place}"));
        }
    }
    Ok(())
}

/// Every epoch is a number of a shard that there is.
async fn epochs(shared: &Shared, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let command = |tag: &str| {
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(format!("{tag}:epochs"));
        cmd
    };
    let Names { shards, parts, .. } = &shared.names;
    for (part, found) in (0..).zip(read::parts(shared, command).await?) {
        for (shard, epoch) in reply::hash(found)? {
            let number = shard.parse::<u32>().ok().filter(|shard| shard < shards && shard % parts == part);
            if number.is_none() || epoch.parse::<u64>().is_err() {
                faults.push(format!("the epoch of shard {shard} is {epoch:?}, in part {part}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_of_objects_of_this_store_are_looked_at() {
        for (key, name) in [
            ("{abide:0}:o:default:Counter:a", Some("default:Counter:a")),
            ("{abide:12}:o:default:Counter:x}:o:y", Some("default:Counter:x}:o:y")),
            ("{abide:0}:c:default:Counter:x}:o:y", None),
            ("{abide:eu:0}:o:default:Counter:a", None),
            ("{abide:}:o:default:Counter:a", None),
            ("{abide}:o:default:Counter:a", None),
        ] {
            assert_eq!(object_name("abide", key), name, "{key}");
        }
    }
}
