use abide_core::{
    Key, StoreError, Timestamp,
    port::store::{AlarmCursor, AlarmsPage, AlarmsQuery, DueAlarm, Room},
};

use super::{objects, parts, share};
use crate::{
    page::{self, Part},
    redis::{codec, names, reply, script, writer::Shared},
};

/// How many alarms one script reads at most.
const PAGE_MAX: usize = 1_000;

/// An alarm with its place.
type Placed = (Vec<u8>, DueAlarm);
/// A place, and the alarm that should be there.
type Named = (Vec<u8>, Option<DueAlarm>);

pub(in crate::redis) async fn due(
    shared: &Shared,
    until: Timestamp,
    after: Option<&AlarmCursor>,
    limit: usize,
) -> Result<AlarmsPage, StoreError> {
    let mut high = b"[".to_vec();
    high.extend(names::due(until).into_bytes());
    high.push(255);
    let mut after = after.map(names::alarm_member);
    loop {
        let (alarms, next) = page(shared, "due", after.as_deref(), &high, limit.min(PAGE_MAX)).await?;
        // Places without an alarm are a fault that `verify` finds; they hide nothing behind them.
        if !alarms.is_empty() || next.is_none() || limit == 0 {
            let alarms = alarms.into_iter().map(|(_, due)| due).collect();
            return Ok(AlarmsPage { alarms, more: next.is_some(), partial: false });
        }
        after = next;
    }
}

pub(in crate::redis) async fn list(shared: &Shared, query: &AlarmsQuery) -> Result<AlarmsPage, StoreError> {
    match &query.key {
        Some(key) => of_object(shared, key, query).await,
        None => of_namespace(shared, query).await,
    }
}

async fn of_object(shared: &Shared, key: &Key, query: &AlarmsQuery) -> Result<AlarmsPage, StoreError> {
    if key.namespace() != &query.namespace {
        return Ok(AlarmsPage::default());
    }
    let loaded = objects::load(shared, key).await?;
    let alarms = loaded.map_or(Vec::new(), |loaded| loaded.alarms).into_iter();
    let alarms = alarms.filter(|alarm| alarm.dead.is_some() || !query.dead);
    let alarms = alarms.map(|alarm| DueAlarm { key: key.clone(), alarm });
    let rows = alarms.filter(|due| query.after.as_ref().is_none_or(|after| *after < due.place())).collect();
    let (alarms, more) = page::join(vec![Part { rows, end: None }], query.limit, DueAlarm::place, DueAlarm::bytes);
    Ok(AlarmsPage { alarms, more, partial: false })
}

async fn of_namespace(shared: &Shared, query: &AlarmsQuery) -> Result<AlarmsPage, StoreError> {
    let sets: &[&str] = if query.dead { &["dead"] } else { &["due", "dead"] };
    let mut found = Vec::new();
    for set in sets {
        let mut after = query.after.as_ref().map(names::alarm_member);
        let mut own: Part<Placed, Vec<u8>> = Part { rows: Vec::new(), end: None };
        let mut room = Room::of(query.limit);
        loop {
            let asked = PAGE_MAX.min(query.limit.max(100));
            let (page, next) = self::page(shared, set, after.as_deref(), b"+", asked).await?;
            own.rows.extend(page.into_iter().filter(|(_, due)| {
                due.key.namespace() == &query.namespace && {
                    room.takes(due.bytes());
                    true
                }
            }));
            after = next;
            if after.is_none() || room.is_full() {
                own.end = after;
                break;
            }
        }
        found.push(own);
    }
    let (found, more) = page::join(found, query.limit, |(member, _)| member.clone(), |(_, due)| due.bytes());
    let alarms = found.into_iter().map(|(_, due)| due).collect();
    Ok(AlarmsPage { alarms, more, partial: false })
}

/// The first alarms of a set after a place, of all parts together, and where to go on if there are more.
async fn page(
    shared: &Shared,
    set: &str,
    after: Option<&[u8]>,
    high: &[u8],
    limit: usize,
) -> Result<(Vec<Placed>, Option<Vec<u8>>), StoreError> {
    let low = after.map_or_else(|| b"-".to_vec(), |after| [b"(", after].concat());
    let bytes = share(shared);
    let command = |tag: &str| {
        let mut cmd = script::ALARMS.call(tag);
        cmd.arg(tag).arg(format!("{tag}:{set}")).arg(&low).arg(high).arg(limit.saturating_add(1)).arg(bytes);
        cmd
    };
    let mut found: Vec<Part<Named, Vec<u8>>> = Vec::new();
    for rows in parts(shared, command).await? {
        let (rows, members) = reply::counted(rows)?;
        let mut own = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = reply::list(row)?.into_iter();
            let mut next = || row.next().unwrap_or_default();
            let (namespace, kind, id) = (reply::text(next())?, reply::text(next())?, reply::text(next())?);
            let member = reply::bytes(next())?;
            let key = Key::parse(&namespace, &kind, &id)
                .map_err(|error| crate::redis::fault::damaged(format!("an alarm's key is no key: {error}")))?;
            let alarm = reply::maybe(next())?.map(|text| codec::decode_alarm(&text)).transpose()?;
            own.push((member, alarm.map(|alarm| DueAlarm { key, alarm })));
        }
        let end = own.last().filter(|_| own.len() < members || members > limit).map(|(member, _)| member.clone());
        found.push(Part { rows: own, end });
    }
    let bytes = |(_, due): &(_, Option<DueAlarm>)| due.as_ref().map_or(0, DueAlarm::bytes);
    let (found, more) = page::join(found, limit, |(member, _)| member.clone(), bytes);
    let next = found.last().filter(|_| more).map(|(member, _)| member.clone());
    Ok((found.into_iter().filter_map(|(member, due)| Some((member, due?))).collect(), next))
}
