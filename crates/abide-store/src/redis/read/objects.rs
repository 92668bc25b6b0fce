use std::collections::BTreeMap;

use abide_core::{
    ChangeRecord, Incarnation, Json, Key, Seq, StoreError, Timestamp,
    port::store::{Alarm, ChangesPage, Loaded, READ_BYTES},
};
use redis::Value;

use super::all;
use crate::redis::{codec, fault::damaged, names, reply, script, state::join, writer::Shared};

pub(in crate::redis) async fn load(shared: &Shared, key: &Key) -> Result<Option<Loaded>, StoreError> {
    let mut cmd = redis::cmd("HGETALL");
    cmd.arg(shared.names.of('o', key));
    let [found] = all(shared, [(shared.names.slot(shared.names.part(key)), cmd)]).await?;
    loaded(found)
}

/// Reads the hash of an object.
pub(in crate::redis) fn loaded(hash: Value) -> Result<Option<Loaded>, StoreError> {
    let fields = reply::hash(hash)?;
    let number = |name: &str| fields.get(name).map_or(Ok(0), |text| reply::digits(text));
    let time = |name: &str| {
        let millis = fields.get(name).map_or(Ok(0), |text| text.parse::<i64>());
        millis.map(Timestamp::from_millis).map_err(|_| damaged(format!("{name} is no time")))
    };
    if !fields.contains_key("@head") {
        return Ok(None);
    }
    Ok(Some(Loaded {
        head: Seq::new(number("@head")?),
        floor: Seq::new(number("@floor")?),
        incarnation: Incarnation::new(number("@incarnation")?),
        state: state(&fields)?,
        version: u32::try_from(number("@version")?).map_err(|_| damaged("a version is too large"))?,
        created_at: time("@created")?,
        updated_at: time("@updated")?,
        commit_id: number("@commit")?,
        alarms: alarms(&fields)?,
    }))
}

fn state(fields: &BTreeMap<String, String>) -> Result<Option<Json>, StoreError> {
    if let Some(text) = fields.get("@state") {
        return Ok(Some(Json::trusted(text.as_str())));
    }
    let Some(order) = fields.get("@order") else { return Ok(None) };
    join(order, fields).map(Some).ok_or_else(|| damaged("a state's field is missing from its object's hash"))
}

/// The alarms in an object's hash, by name.
pub(in crate::redis) fn alarms(fields: &BTreeMap<String, String>) -> Result<Vec<Alarm>, StoreError> {
    let alarms = fields.iter().filter(|(field, _)| field.starts_with("@alarm:"));
    alarms.map(|(_, text)| codec::decode_alarm(text)).collect()
}

pub(in crate::redis) async fn changes(
    shared: &Shared,
    key: &Key,
    after: Seq,
    limit: usize,
) -> Result<ChangesPage, StoreError> {
    let part = shared.names.part(key);
    let mut cmd = script::CHANGES.call(shared.names.tag(part));
    cmd.arg(shared.names.of('o', key)).arg(shared.names.of('c', key));
    cmd.arg(names::score(after)).arg(limit.min(1 << 20)).arg(READ_BYTES);
    let [found] = all(shared, [(shared.names.slot(part), cmd)]).await?;
    let found: Result<[Value; 4], _> = reply::list(found)?.try_into();
    let Ok([head, floor, first, entries]) = found else { return Ok(ChangesPage::default()) };
    let first = Seq::new(reply::number(first)?);
    let entries = reply::list(entries)?.into_iter().zip(0..);
    let changes = entries.map(|(entry, n)| change(first.plus(n), &reply::text(entry)?));
    Ok(ChangesPage {
        changes: changes.collect::<Result<_, _>>()?,
        head: Seq::new(reply::number(head)?),
        floor: Seq::new(reply::number(floor)?),
    })
}

/// Reads an entry of a log: when, and the change in its wire form.
pub(in crate::redis) fn change(seq: Seq, entry: &str) -> Result<ChangeRecord, StoreError> {
    let parts = entry.split_once(' ').and_then(|(at, json)| Some((at.parse::<i64>().ok()?, json)));
    let (at, json) = parts.ok_or_else(|| damaged(format!("change {seq} has no time")))?;
    Ok(ChangeRecord { seq, at: Timestamp::from_millis(at), json: Json::trusted(json), snapshot: None })
}

pub(in crate::redis) async fn snapshot(shared: &Shared, key: &Key, at: Seq) -> Result<Option<(Seq, Json)>, StoreError> {
    let mut cmd = redis::cmd("ZRANGE");
    cmd.arg(shared.names.of('n', key)).arg(names::score(at)).arg("-inf");
    cmd.arg("BYSCORE").arg("REV").arg("LIMIT").arg(0).arg(1);
    let mut floor = redis::cmd("HGET");
    floor.arg(shared.names.of('o', key)).arg("@floor");
    let slot = shared.names.slot(shared.names.part(key));
    // The floor is read after the snapshot: it only moves up.
    let [found, floor] = all(shared, [(slot, cmd), (slot, floor)]).await?;
    let Some(found) = reply::list(found)?.pop() else { return Ok(None) };
    let found = reply::text(found)?;
    let (seq, json) = found.split_once(':').ok_or_else(|| damaged("a snapshot has no seq"))?;
    let seq = reply::digits(seq)?;
    Ok((seq > reply::number(floor)?).then(|| (Seq::new(seq), Json::trusted(json))))
}
