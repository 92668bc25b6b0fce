//! Checks over everything that is stored.

use abide_core::{Json, Key, StoreError, filter::Path};
use redis::Value;

use super::{
    fault::Fault,
    moving,
    names::{self, Names},
    read::{self, objects},
    reply, value,
    writer::Shared,
};

/// How many keys the server is asked to look at for one page.
const SCAN: usize = 500;
/// How often an object that changes meanwhile is looked at.
const LOOKS: usize = 100;

/// The faults found, at most `limit`. The store may be in use: each object is looked at by itself,
/// and again where it changes meanwhile.
pub(super) async fn verify(shared: &Shared, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    if let Some(underway) = moving::underway(shared).await? {
        faults.push(crate::import::fault(&underway.importing));
    }
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
                    object(shared, &key, name, &mut faults).await?;
                }
            }
            if cursor == "0" || faults.len() >= limit {
                break;
            }
        }
    }
    if faults.len() < limit {
        epochs(shared, &mut faults).await?;
        listed(shared, limit, &mut faults).await?;
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

async fn object(shared: &Shared, stored_at: &str, name: &str, faults: &mut Vec<String>) -> Result<(), StoreError> {
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
        // What was read one after the other belongs together if nothing was committed meanwhile.
        if found.is_empty() || before == last_commit(shared, &key).await? {
            break;
        }
    }
    faults.append(&mut found);
    Ok(())
}

/// What is different after each commit.
type LastCommit = [Option<String>; 2];

async fn last_commit(shared: &Shared, key: &Key) -> Result<LastCommit, StoreError> {
    let mut cmd = redis::cmd("HMGET");
    cmd.arg(shared.names.of('o', key)).arg("@commit").arg("@head");
    let [found] = read::all(shared, [(shared.names.slot(shared.names.part(key)), cmd)]).await?;
    let mut found = reply::list(found)?.into_iter();
    let mut next = || reply::maybe(found.next().unwrap_or_default());
    Ok([next()?, next()?])
}

/// The faults of an object, and by which commit its hash was.
async fn look(shared: &Shared, key: &Key, faults: &mut Vec<String>) -> Result<LastCommit, StoreError> {
    let slot = shared.names.slot(shared.names.part(key));
    let command = |name: &str, letter| {
        let mut cmd = redis::cmd(name);
        cmd.arg(shared.names.of(letter, key));
        (slot, cmd)
    };
    let (_, mut entries) = command("LRANGE", 'c');
    entries.arg(0).arg(-1);
    let kept = [command("HGETALL", 'o'), (slot, entries)];
    let [hash, entries] = read::all(shared, kept).await?;
    let fields = reply::hash(hash.clone())?;
    let by = ["@commit", "@head"].map(|field| fields.get(field).cloned());
    let loaded = match objects::loaded(hash) {
        Ok(Some(loaded)) => loaded,
        Ok(None) => {
            faults.push(format!("{key}: it has no head"));
            return Ok(by);
        }
        Err(error) => {
            faults.push(format!("{key}: {error}"));
            return Ok(by);
        }
    };
    let entries = reply::list(entries)?;
    if loaded.floor.plus(entries.len() as u64) != loaded.head {
        let (floor, head) = (loaded.floor, loaded.head);
        faults.push(format!("{key}: its log is not dense: floor {floor}, head {head}, {} changes kept", entries.len()));
    }
    for (entry, n) in entries.into_iter().zip(1..) {
        let seq = loaded.floor.plus(n);
        let change = reply::text(entry).and_then(|entry| objects::change(seq, &entry));
        if change.is_ok_and(|change| Json::parse(change.json.as_str()).is_err()) {
            faults.push(format!("{key}: its change {seq} is no JSON"));
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
    for ((place, wanted), found) in wanted.into_iter().zip(read::many(shared, &commands).await?) {
        let found = !matches!(found, Value::Nil);
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

/// Everything in the lists of kinds is there.
async fn listed(shared: &Shared, limit: usize, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let command = |tag: &str| {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(format!("{tag}:kinds"));
        cmd
    };
    for (part, kinds) in (0..).zip(read::parts(shared, command).await?) {
        for kinds in reply::texts(&kinds)? {
            let mut rows = read::list::Rows::by_id(shared, &kinds, part, "", SCAN);
            loop {
                let page = rows.page(shared).await?;
                if page.is_empty() || faults.len() >= limit {
                    break;
                }
                let graves = page.iter().filter(|row| row.loaded.state.is_none());
                faults.extend(graves.map(|row| format!("{kinds}:{}: it is listed and has no state", row.id)));
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
