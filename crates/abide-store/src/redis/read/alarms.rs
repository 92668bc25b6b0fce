use abide_core::{
    Key, StoreError, Timestamp,
    port::store::{AlarmCursor, AlarmsQuery, DueAlarm},
};

use super::{objects, parts};
use crate::redis::{codec, names, reply, script, writer::Shared};

/// How many alarms one script reads at most.
const PAGE_MAX: usize = 1_000;

/// An alarm with its place.
type Placed = (Vec<u8>, DueAlarm);

pub(in crate::redis) async fn due(
    shared: &Shared,
    until: Timestamp,
    after: Option<&AlarmCursor>,
    limit: usize,
) -> Result<Vec<DueAlarm>, StoreError> {
    let mut high = b"[".to_vec();
    high.extend(names::due(until).into_bytes());
    high.push(255);
    let after = after.map(names::alarm_member);
    let found = page(shared, "due", after.as_deref(), &high, limit.min(PAGE_MAX)).await?;
    Ok(found.into_iter().take(limit).map(|(_, due)| due).collect())
}

pub(in crate::redis) async fn list(shared: &Shared, query: &AlarmsQuery) -> Result<Vec<DueAlarm>, StoreError> {
    match &query.key {
        Some(key) => of_object(shared, key, query).await,
        None => of_namespace(shared, query).await,
    }
}

async fn of_object(shared: &Shared, key: &Key, query: &AlarmsQuery) -> Result<Vec<DueAlarm>, StoreError> {
    if key.namespace() != &query.namespace {
        return Ok(Vec::new());
    }
    let loaded = objects::load(shared, key).await?;
    let alarms = loaded.map_or(Vec::new(), |loaded| loaded.alarms).into_iter();
    let placed = alarms.filter(|alarm| alarm.dead.is_some() || !query.dead).map(|alarm| {
        let cursor = AlarmCursor { due: alarm.due, key: key.clone(), name: alarm.name.clone() };
        (cursor, DueAlarm { key: key.clone(), alarm })
    });
    let mut placed: Vec<_> =
        placed.filter(|(place, _)| query.after.as_ref().is_none_or(|after| after < place)).collect();
    placed.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(placed.into_iter().take(query.limit).map(|(_, due)| due).collect())
}

async fn of_namespace(shared: &Shared, query: &AlarmsQuery) -> Result<Vec<DueAlarm>, StoreError> {
    let sets: &[&str] = if query.dead { &["dead"] } else { &["due", "dead"] };
    let mut found: Vec<Placed> = Vec::new();
    for set in sets {
        let mut after = query.after.as_ref().map(names::alarm_member);
        let mut kept = 0;
        while kept < query.limit {
            let page = page(shared, set, after.as_deref(), b"+", PAGE_MAX.min(query.limit.max(100))).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let own = page.into_iter().filter(|(_, due)| due.key.namespace() == &query.namespace);
            let before = found.len();
            found.extend(own);
            kept += found.len() - before;
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found.into_iter().take(query.limit).map(|(_, due)| due).collect())
}

/// The first alarms of a set after a place, of all parts together.
async fn page(
    shared: &Shared,
    set: &str,
    after: Option<&[u8]>,
    high: &[u8],
    limit: usize,
) -> Result<Vec<Placed>, StoreError> {
    let low = after.map_or_else(|| b"-".to_vec(), |after| [b"(", after].concat());
    let command = |tag: &str| {
        let mut cmd = script::ALARMS.call(tag);
        cmd.arg(tag).arg(format!("{tag}:{set}")).arg(&low).arg(high).arg(limit);
        cmd
    };
    let mut found = Vec::new();
    for rows in parts(shared, command).await? {
        for row in reply::list(rows)? {
            let mut row = reply::list(row)?.into_iter();
            let mut next = || row.next().unwrap_or_default();
            let (namespace, kind, id) = (reply::text(next())?, reply::text(next())?, reply::text(next())?);
            let member = reply::bytes(next())?;
            let Some(alarm) = reply::maybe(next())? else { continue };
            let key = Key::parse(&namespace, &kind, &id)
                .map_err(|error| crate::redis::fault::damaged(format!("an alarm's key is no key: {error}")))?;
            found.push((member, DueAlarm { key, alarm: codec::decode_alarm(&alarm)? }));
        }
    }
    found.sort_by(|left: &Placed, right| left.0.cmp(&right.0));
    found.truncate(limit);
    Ok(found)
}
