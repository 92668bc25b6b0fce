//! What the sets of a part say, and what they name.

use abide_core::{Key, StoreError};
use redis::{Cmd, Value};

use super::{SCAN, ask};
use crate::redis::{
    codec,
    names::{self, parse_name, parse_sorted},
    reply, script,
    writer::Shared,
};

/// A place in a sorted set, and what it names: a field of a hash, or the other one.
struct Place {
    member: Vec<u8>,
    hash: String,
    fields: [Vec<u8>; 2],
    /// As it is told.
    name: String,
}

/// What belongs to a place: a sorted set, what it holds, and the part.
struct Set<'s> {
    shared: &'s Shared,
    part: u32,
    key: String,
    what: &'static str,
}

pub(super) async fn places(shared: &Shared, limit: usize, faults: &mut Vec<String>) -> Result<(), StoreError> {
    for part in 0..shared.names.parts {
        let tag = shared.names.tag(part);
        let set = |name: &str, what| Set { shared, part, key: format!("{tag}:{name}"), what };
        set("objects", "the list of all").forward(limit, faults, object, |_, _| true).await?;
        for what in ["due", "dead"] {
            let told = if what == "due" { "the due alarms" } else { "the dead alarms" };
            let flag = if what == "due" { b'+' } else { b'-' };
            let is_it =
                |place: &Place, value: &[u8]| value.get(..15) == place.member.get(..15) && value.get(15) == Some(&flag);
            set(what, told).forward(limit, faults, alarm, is_it).await?;
        }
        let outbox = set("outbox", "the messages under way");
        outbox.forward(limit, faults, message, |place, value| is_message(&place.member, value)).await?;
        outbox
            .backward(&format!("{tag}:messages"), limit, faults, |field| message(&outbox, field), |_, _| None)
            .await?;
        set("expire", "the outcomes that expire").forward(limit, faults, outcome, |_, _| true).await?;
        let (mut members, key) = (redis::cmd("SMEMBERS"), format!("{tag}:kinds"));
        members.arg(&key);
        let Some(kinds) = ask(shared, part, &members, &key, faults).await? else { continue };
        for kinds in reply::texts(&kinds)? {
            let listed = set(&format!("k:{kinds}"), "its kind's list");
            listed.forward(limit, faults, |set, member| state(set, &kinds, member), |_, _| true).await?;
        }
    }
    Ok(())
}

impl Set<'_> {
    /// Everything in the set is there.
    async fn forward(
        &self,
        limit: usize,
        faults: &mut Vec<String>,
        read: impl Fn(&Self, Vec<u8>) -> Option<Place>,
        is_it: impl Fn(&Place, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut pages = Pages::of("ZSCAN", &self.key);
        while faults.len() < limit
            && let Some(page) = pages.next(self.shared, self.part, faults).await?
        {
            let mut places = Vec::new();
            for (member, _) in page {
                let shown = shown(&member);
                match read(self, member) {
                    Some(place) => places.push(place),
                    None => faults.push(format!("{shown}: it stands in {}, and names nothing", self.what)),
                }
            }
            for (place, listed, found) in self.look_up(places, faults).await? {
                let value = found.as_deref();
                if listed && !value.is_some_and(|value| is_it(&place, value)) {
                    let (name, what) = (&place.name, self.what);
                    let how = if value.is_some() { "is something else" } else { "is not there" };
                    faults.push(format!("{name}: it stands in {what}, and {how}"));
                }
            }
        }
        Ok(())
    }

    /// Every field of a hash has its place in the set.
    async fn backward(
        &self,
        hash: &str,
        limit: usize,
        faults: &mut Vec<String>,
        read: impl Fn(Vec<u8>) -> Option<Place>,
        fault: impl Fn(&Place, &[u8]) -> Option<String>,
    ) -> Result<(), StoreError> {
        let mut pages = Pages::of("HSCAN", hash);
        while faults.len() < limit
            && let Some(page) = pages.next(self.shared, self.part, faults).await?
        {
            let mut places = Vec::new();
            for (field, _) in page {
                let shown = shown(&field);
                match read(field) {
                    Some(place) => places.push(place),
                    None => faults.push(format!("{shown}: it is kept in {hash}, and has no such name")),
                }
            }
            for (place, listed, found) in self.look_up(places, faults).await? {
                let Some(value) = found else { continue };
                if !listed {
                    faults.push(format!("{}: it is missing in {}", place.name, self.what));
                }
                faults.extend(fault(&place, &value));
            }
        }
        Ok(())
    }

    /// Whether each place is there, and what it names: of one moment for each page.
    async fn look_up(
        &self,
        places: Vec<Place>,
        faults: &mut Vec<String>,
    ) -> Result<Vec<(Place, bool, Option<Vec<u8>>)>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut cmd = script::PLACES.call(self.shared.names.tag(self.part));
        cmd.arg(&self.key);
        for place in &places {
            cmd.arg(&place.member).arg(&place.hash).arg(&place.fields);
        }
        let Some(rows) = ask(self.shared, self.part, &cmd, &self.key, faults).await? else { return Ok(Vec::new()) };
        let mut looked = Vec::with_capacity(places.len());
        for (place, row) in places.into_iter().zip(reply::list(rows)?) {
            let mut row = reply::list(row)?.into_iter();
            let listed = reply::maybe(row.next().unwrap_or_default())?.is_some();
            let found = match row.next().unwrap_or_default() {
                Value::Nil | Value::Boolean(false) => None,
                value => Some(reply::bytes(value)?),
            };
            looked.push((place, listed, found));
        }
        Ok(looked)
    }
}

/// Goes over a set or a hash.
struct Pages {
    cmd: &'static str,
    key: String,
    cursor: Option<String>,
}

impl Pages {
    fn of(cmd: &'static str, key: &str) -> Self {
        Self { cmd, key: key.into(), cursor: Some("0".into()) }
    }

    /// Names and values of the next page; `None` at the end.
    async fn next(
        &mut self,
        shared: &Shared,
        part: u32,
        faults: &mut Vec<String>,
    ) -> Result<Option<Vec<(Vec<u8>, Value)>>, StoreError> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let mut scan: Cmd = redis::cmd(self.cmd);
        scan.arg(&self.key).arg(cursor).arg("COUNT").arg(SCAN);
        let Some(answer) = ask(shared, part, &scan, &self.key, faults).await? else { return Ok(None) };
        let mut answer = reply::list(answer)?.into_iter();
        self.cursor = Some(reply::text(answer.next().unwrap_or_default())?).filter(|cursor| cursor != "0");
        let mut all = reply::list(answer.next().unwrap_or(Value::Array(Vec::new())))?.into_iter();
        let mut page = Vec::new();
        while let (Some(name), Some(value)) = (all.next(), all.next()) {
            page.push((reply::bytes(name)?, value));
        }
        Ok(Some(page))
    }
}

fn shown(member: &[u8]) -> String {
    format!("\"{}\"", member.escape_ascii())
}

fn place(set: &Set<'_>, member: Vec<u8>, letter: char, key: &Key, fields: [&[u8]; 2], name: String) -> Place {
    let hash = format!("{}:{letter}:{}", set.shared.names.tag(set.part), names::name(key));
    Place { member, hash, fields: fields.map(<[u8]>::to_vec), name }
}

fn object(set: &Set<'_>, member: Vec<u8>) -> Option<Place> {
    let key = parse_name(std::str::from_utf8(&member).ok()?)?;
    Some(place(set, member, 'o', &key, [b"@head", b"@head"], key.to_string()))
}

fn state(set: &Set<'_>, kinds: &str, member: Vec<u8>) -> Option<Place> {
    let key = parse_name(&format!("{kinds}:{}", std::str::from_utf8(&member).ok()?))?;
    Some(place(set, member, 'o', &key, [b"@order", b"@state"], key.to_string()))
}

fn alarm(set: &Set<'_>, member: Vec<u8>) -> Option<Place> {
    let (key, name) = parse_sorted(member.get(15..)?)?;
    let name = names::unescape(name)?;
    let (field, told) = (format!("@alarm:{name}"), format!("{key}, its alarm {name:?}"));
    Some(place(set, member, 'o', &key, [field.as_bytes(); 2], told))
}

fn message(set: &Set<'_>, member: Vec<u8>) -> Option<Place> {
    let (sender, n) = parse_sorted(&member)?;
    let n: u64 = std::str::from_utf8(n).ok()?.parse().ok()?;
    let hash = format!("{}:messages", set.shared.names.tag(set.part));
    let fields = [member.clone(), member.clone()];
    Some(Place { fields, hash, name: format!("{sender}, its message {n}"), member })
}

/// Whether it is the message at this place, and one that can be read.
fn is_message(member: &[u8], value: &[u8]) -> bool {
    let read = std::str::from_utf8(value).ok().and_then(|text| codec::decode_message(text).ok());
    read.is_some_and(|message| names::message_member(&message.id) == member)
}

fn outcome(set: &Set<'_>, member: Vec<u8>) -> Option<Place> {
    let (key, field) = parse_sorted(&member)?;
    let (caller, call_key) = names::parse_outcome_field(field)?;
    let (field, told) = (field.to_vec(), outcome_of(&key, &caller, &call_key));
    Some(place(set, member, 'q', &key, [&field; 2], told))
}

fn outcome_of(key: &Key, caller: &str, call_key: &str) -> String {
    format!("{key}, its outcome of the call {call_key:?} of {caller:?}")
}

/// The outcomes of an object can be read, and stand among those that expire.
pub(super) async fn outcomes(
    shared: &Shared,
    key: &Key,
    limit: usize,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    let part = shared.names.part(key);
    let expire =
        Set { shared, part, key: format!("{}:expire", shared.names.tag(part)), what: "the outcomes that expire" };
    let hash = shared.names.of('q', key);
    let read = |field: Vec<u8>| outcome(&expire, [names::sorted(key), vec![0], field].concat());
    expire
        .backward(&hash, limit, faults, read, |place, value| {
            let text = std::str::from_utf8(value).map_err(|_| "it is no text".to_owned());
            let read = text.and_then(|text| codec::decode_outcome("", "", text).map_err(super::why));
            read.err().map(|error| format!("{} cannot be read: {error}", place.name))
        })
        .await
}
