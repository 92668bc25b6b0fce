//! Declaring indexes, and filling them with what is there already.

use std::{collections::BTreeMap, sync::Arc};

use abide_core::{
    StoreError,
    filter::Path,
    port::store::{KindIndexes, ListQuery},
};
use redis::Cmd;

use super::{
    indexes::{self, Declared},
    names::Names,
    read::{self, list::Rows},
    reply, script, value,
    writer::Shared,
};

/// How many objects are put into an index at once.
const PAGE: usize = 200;

/// Where declarations are kept: with what is said of the whole store.
fn key(names: &Names) -> (String, u16) {
    let (meta, slot) = Names::meta(names.prefix());
    (meta.replace(":meta", ":indexes"), slot)
}

/// Reads the declarations anew.
pub(super) async fn reload(shared: &Shared) -> Result<Arc<Declared>, StoreError> {
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut generation = redis::cmd("HGET");
    generation.arg(meta).arg("indexes");
    let mut kinds = redis::cmd("HGETALL");
    kinds.arg(key(&shared.names).0);
    let [generation, kinds] = read::all(shared, [(slot, generation), (slot, kinds)]).await?;
    let declared = Declared::read(reply::number(generation)?, reply::hash(kinds)?);
    let declared = Arc::new(declared);
    *shared.declared.write() = declared.clone();
    Ok(declared)
}

/// Makes the declared indexes, and drops those of the same kinds that are not declared any more.
pub(super) async fn index(shared: &Shared, wanted: Vec<KindIndexes>) -> Result<(), StoreError> {
    let before = reload(shared).await?;
    let (meta, slot) = Names::meta(shared.names.prefix());
    let mut unfinished = redis::cmd("HGET");
    unfinished.arg(&meta).arg("filling");
    let [unfinished] = read::all(shared, [(slot, unfinished)]).await?;
    let unfinished = reply::maybe(unfinished)?.is_some();
    let mut after = before.kinds.clone();
    for KindIndexes { kind, paths } in &wanted {
        if paths.is_empty() {
            after.remove(kind.as_str());
        } else {
            after.insert(kind.as_str().into(), paths.clone());
        }
    }
    if after == before.kinds && !unfinished {
        return Ok(());
    }
    declare(shared, &before.kinds, &after).await?;
    for kinds in stored_kinds(shared).await? {
        let Some((_, kind)) = kinds.split_once(':') else { continue };
        let none = Vec::new();
        let old = before.kinds.get(kind).unwrap_or(&none);
        let new = after.get(kind).unwrap_or(&none);
        for path in old.iter().filter(|path| !new.contains(path)) {
            drop_index(shared, &kinds, path).await?;
        }
        let missing: Vec<_> = new.iter().filter(|path| unfinished || !old.contains(path)).collect();
        if !missing.is_empty() {
            fill(shared, &kinds, &missing).await?;
        }
    }
    let mut done = redis::cmd("HDEL");
    done.arg(&meta).arg("filling");
    send(shared, vec![(slot, done)]).await
}

/// From here on every commit keeps the new indexes.
async fn declare(
    shared: &Shared,
    before: &BTreeMap<String, Vec<Path>>,
    after: &BTreeMap<String, Vec<Path>>,
) -> Result<(), StoreError> {
    let (meta, slot) = Names::meta(shared.names.prefix());
    let (stored, _) = key(&shared.names);
    let mut commands = Vec::new();
    let mut filling = redis::cmd("HSET");
    filling.arg(&meta).arg("filling").arg(1);
    commands.push((slot, filling));
    for (kind, paths) in after {
        let mut set = redis::cmd("HSET");
        set.arg(&stored).arg(kind).arg(indexes::write(paths));
        commands.push((slot, set));
    }
    for kind in before.keys().filter(|kind| !after.contains_key(*kind)) {
        let mut remove = redis::cmd("HDEL");
        remove.arg(&stored).arg(kind);
        commands.push((slot, remove));
    }
    let mut raise = redis::cmd("HINCRBY");
    raise.arg(&meta).arg("indexes").arg(1);
    commands.push((slot, raise));
    send(shared, commands).await?;
    let declared = reload(shared).await?;
    let tell = |part| {
        let mut set = redis::cmd("HSET");
        set.arg(format!("{}:meta", shared.names.tag(part))).arg("indexes").arg(declared.generation);
        (shared.names.slot(part), set)
    };
    send(shared, (0..shared.names.parts).map(tell).collect()).await
}

/// `namespace:kind` of everything that was ever stored.
async fn stored_kinds(shared: &Shared) -> Result<Vec<String>, StoreError> {
    let mut found = std::collections::BTreeSet::new();
    for part in 0..shared.names.parts {
        let mut cmd = redis::cmd("SMEMBERS");
        cmd.arg(format!("{}:kinds", shared.names.tag(part)));
        let [kinds] = read::all(shared, [(shared.names.slot(part), cmd)]).await?;
        found.extend(reply::texts(&kinds)?);
    }
    Ok(found.into_iter().collect())
}

async fn drop_index(shared: &Shared, kinds: &str, path: &Path) -> Result<(), StoreError> {
    let unlink = |part| {
        let mut cmd = redis::cmd("UNLINK");
        cmd.arg(format!("{}:x:{kinds}:{path}", shared.names.tag(part)));
        (shared.names.slot(part), cmd)
    };
    send(shared, (0..shared.names.parts).map(unlink).collect()).await
}

/// Puts the objects of a kind of a namespace into indexes.
async fn fill(shared: &Shared, kinds: &str, paths: &[&Path]) -> Result<(), StoreError> {
    for part in 0..shared.names.parts {
        let mut rows = Rows::by_id(shared, kinds, part, "", PAGE);
        loop {
            let page = rows.page(shared).await?;
            if page.is_empty() {
                break;
            }
            let mut commands = Vec::new();
            for path in paths {
                let mut cmd = script::INDEX.call(shared.names.tag(part));
                cmd.arg(shared.names.tag(part)).arg(kinds).arg(path.to_string());
                for row in &page {
                    let Some(state) = &row.loaded.state else { continue };
                    let value = value::encode(path.find(&state.value()));
                    cmd.arg(&row.id).arg(row.loaded.commit_id).arg(value);
                }
                commands.push((shared.names.slot(part), cmd));
            }
            send(shared, commands).await?;
        }
    }
    Ok(())
}

/// Sends commands to servers that write.
async fn send(shared: &Shared, commands: Vec<(u16, Cmd)>) -> Result<(), StoreError> {
    let commands: Vec<_> = commands.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    for answer in shared.writes.send(&commands).await {
        answer.map_err(super::fault::Fault::into_error)?;
    }
    Ok(())
}

/// The fields that a query needs an index on, and has none.
pub(super) fn missing<'q>(declared: &Declared, query: &'q ListQuery) -> Option<&'q Path> {
    let mut needed = Vec::new();
    if let Some(filter) = &query.filter {
        paths(filter.expr(), &mut needed);
    }
    needed.extend(query.order.as_ref().map(|order| &order.path));
    let there = declared.paths(&query.kind);
    needed.into_iter().find(|path| !there.contains(path))
}

fn paths<'q>(expr: &'q abide_core::filter::Expr, found: &mut Vec<&'q Path>) {
    use abide_core::filter::Expr;
    match expr {
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(|expr| paths(expr, found)),
        Expr::Not(expr) => paths(expr, found),
        Expr::Comparison(comparison) => found.push(&comparison.path),
    }
}
