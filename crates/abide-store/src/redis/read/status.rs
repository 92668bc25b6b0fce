use std::collections::BTreeMap;

use abide_core::{StoreError, port::store::Status};
use redis::Cmd;

use super::{many, parts};
use crate::redis::{moving, names::Names, open::SCHEMA, reply, writer::Shared};

pub(in crate::redis) async fn status(shared: &Shared) -> Result<Status, StoreError> {
    let size = |set: &'static str| {
        move |tag: &str| {
            let mut cmd = redis::cmd("ZCARD");
            cmd.arg(format!("{tag}:{set}"));
            cmd
        }
    };
    let changes = |tag: &str| {
        let mut cmd = redis::cmd("HGET");
        cmd.arg(format!("{tag}:meta")).arg("changes");
        cmd
    };
    let sum = async |command: &(dyn Fn(&str) -> Cmd + Sync)| {
        let found = parts(shared, command).await?;
        found.into_iter().map(reply::number).sum::<Result<u64, StoreError>>()
    };
    let declared = super::super::indexing::reload(shared).await?;
    let mut indexes = Vec::new();
    for (kind, paths) in &declared.kinds {
        indexes.extend(paths.iter().map(|path| (kind.clone(), path.to_string())));
    }
    Ok(Status {
        store: "redis".into(),
        id: id(shared).await?,
        schema: SCHEMA,
        objects: objects(shared).await?,
        indexes,
        changes: sum(&changes).await?,
        alarms: sum(&size("due")).await?,
        dead_alarms: sum(&size("dead")).await?,
        outbox: sum(&size("outbox")).await?,
        outcomes: sum(&size("expire")).await?,
        bytes: bytes(shared).await?,
        importing: moving::underway(shared).await?.map(|underway| underway.importing),
    })
}

/// The store's id, which an import changes.
async fn id(shared: &Shared) -> Result<String, StoreError> {
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut get = redis::cmd("HGET");
    get.arg(meta).arg("id");
    let [found] = super::all(shared, [(slot, get)]).await?;
    Ok(reply::maybe(found)?.unwrap_or_default())
}

/// Objects by kind, of all namespaces together.
async fn objects(shared: &Shared) -> Result<Vec<(String, u64)>, StoreError> {
    let members = |tag: &str| {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(format!("{tag}:kinds"));
        cmd
    };
    let mut sizes = Vec::new();
    for (part, kinds) in (0..).zip(parts(shared, members).await?) {
        for kinds in reply::texts(&kinds)? {
            let mut cmd = redis::cmd("ZCARD");
            cmd.arg(format!("{}:k:{kinds}", shared.names.tag(part)));
            sizes.push((kinds, (shared.names.slot(part), cmd)));
        }
    }
    let (kinds, commands): (Vec<_>, Vec<_>) = sizes.into_iter().unzip();
    let mut objects: BTreeMap<String, u64> = BTreeMap::new();
    for (kinds, size) in kinds.into_iter().zip(many(shared, &commands).await?) {
        let kind = kinds.split_once(':').map_or(kinds.as_str(), |(_, kind)| kind);
        *objects.entry(kind.into()).or_default() += reply::number(size)?;
    }
    Ok(objects.into_iter().filter(|(_, count)| *count > 0).collect())
}

/// The memory of all servers, whatever they hold.
async fn bytes(shared: &Shared) -> Result<u64, StoreError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    let mut bytes = 0;
    for link in shared.reads.all() {
        let Some(Ok(answer)) = link.send(&[&info]).await.pop() else { continue };
        let about = reply::text(answer)?;
        let used = about.lines().find_map(|line| line.strip_prefix("used_memory:"));
        bytes += used.and_then(|used| used.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(bytes)
}
