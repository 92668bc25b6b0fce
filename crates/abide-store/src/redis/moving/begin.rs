use abide_core::StoreError;
use redis::{Cmd, Value};

use super::{import::kept, reached, said, underway};
use crate::redis::{
    fault::Fault,
    names::{self, Names},
    read, reply, script,
    writer::Shared,
};

/// How many keys one look at the server gives.
const SCAN: usize = 1_000;

/// Begins an import, or goes on with it: how many rows are in.
pub(in crate::redis) async fn begin(shared: &Shared, source: String, replace: bool) -> Result<u64, StoreError> {
    match underway(shared).await? {
        Some(found) if found.importing.source == source && !found.cleared => clear(shared, &found.id).await?,
        Some(found) if found.importing.source == source => {
            if kept(shared, &found).await?.is_some() {
                return Ok(found.importing.rows);
            }
            tracing::warn!("a server lost rows that were in: the import begins again");
            anew(shared, &source).await?;
        }
        Some(found) if !replace => return Err(said::another(&found.importing)),
        None if !replace && holds_something(shared).await? => return Err(said::not_empty()),
        Some(_) | None => anew(shared, &source).await?,
    }
    Ok(0)
}

async fn anew(shared: &Shared, source: &str) -> Result<(), StoreError> {
    let id = ulid::Ulid::generate().to_string();
    announce(shared, source, &id).await?;
    clear(shared, &id).await
}

async fn holds_something(shared: &Shared) -> Result<bool, StoreError> {
    for set in ["objects", "outbox"] {
        let size = |tag: &str| {
            let mut cmd = redis::cmd("ZCARD");
            cmd.arg(format!("{tag}:{set}"));
            cmd
        };
        for found in read::parts(shared, size).await? {
            if reply::number(found)? > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// From here on the store is not whole.
async fn announce(shared: &Shared, source: &str, id: &str) -> Result<(), StoreError> {
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut set = redis::cmd("HSET");
    set.arg(&meta).arg("import").arg(id).arg("importing").arg(source).arg("imported").arg(0);
    set.arg("id").arg(ulid::Ulid::generate().to_string());
    let mut not_yet = redis::cmd("HDEL");
    not_yet.arg(&meta).arg("cleared");
    for part in 0..shared.names.parts {
        not_yet.arg(reached(part));
    }
    send(shared, vec![(slot, set), (slot, not_yet)]).await
}

/// Fences whoever owns the store, and removes all that is in it but its epochs and its indexes.
async fn clear(shared: &Shared, id: &str) -> Result<(), StoreError> {
    let names = &shared.names;
    let mut commands = Vec::new();
    for part in 0..names.parts {
        let (tag, slot) = (names.tag(part), names.slot(part));
        let mut set = redis::cmd("HSET");
        set.arg(format!("{tag}:meta")).arg("import").arg(id).arg("imported").arg(0).arg("changes").arg(0);
        let mut fence = script::CLAIM.call(tag);
        fence.arg(tag).arg(part).arg(names.shards).arg(names.parts).arg("any");
        commands.extend([(slot, set), (slot, fence)]);
    }
    send(shared, commands).await?;
    remove_all(shared).await?;
    let (meta, slot) = Names::meta(names.prefix());
    let mut cleared = redis::cmd("HSET");
    cleared.arg(meta).arg("cleared").arg(1);
    send(shared, vec![(slot, cleared)]).await
}

async fn remove_all(shared: &Shared) -> Result<(), StoreError> {
    for link in shared.writes.all() {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{{{}:*", names::pattern(shared.names.prefix())));
            scan.arg("COUNT").arg(SCAN);
            let answer = link.send(&[&scan]).await.pop().unwrap_or(Ok(Value::Nil));
            let mut answer = reply::list(answer.map_err(Fault::into_error)?)?.into_iter();
            cursor = reply::text(answer.next().unwrap_or_default())?;
            let found = reply::list(answer.next().unwrap_or(Value::Array(Vec::new())))?;
            let mut gone = Vec::new();
            for name in found {
                let name = reply::bytes(name)?;
                if belongs(shared, &name) {
                    let mut unlink = redis::cmd("UNLINK");
                    unlink.arg(name);
                    gone.push(unlink);
                }
            }
            if !gone.is_empty() {
                for answer in link.send(&gone.iter().collect::<Vec<_>>()).await {
                    answer.map_err(Fault::into_error)?;
                }
            }
            if cursor == "0" {
                break;
            }
        }
    }
    Ok(())
}

/// Whether a key is of this store and goes with its objects.
fn belongs(shared: &Shared, name: &[u8]) -> bool {
    let names = &shared.names;
    let rest = (0..names.parts).find_map(|part| name.strip_prefix(names.tag(part).as_bytes()));
    rest.is_some_and(|rest| !matches!(rest, b":meta" | b":epochs"))
}

/// Sends commands to servers that write.
pub(super) async fn send(shared: &Shared, commands: Vec<(u16, Cmd)>) -> Result<(), StoreError> {
    let commands: Vec<_> = commands.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    for answer in shared.writes.send(&commands).await {
        answer.map_err(Fault::into_error)?;
    }
    Ok(())
}
