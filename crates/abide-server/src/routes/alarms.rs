//! The pending alarms of one object or of all, and those that were given up.

use std::sync::Arc;

use abide_core::{
    Key, Result, Timestamp,
    port::store::{AlarmCursor, AlarmsQuery, DueAlarm},
};
use axum::{
    extract::{Request, State},
    response::Response,
};

use crate::{
    Action, Ask, Caller, Problem,
    answer::json::Text,
    request::{cursor, path::ObjectPath, query::Query},
    shared::Shared,
};

/// How many alarms a page has unless asked.
const USUAL: usize = 100;

/// Due, kind, id and name of the last alarm of a page.
type Position = (Timestamp, String, String, String);

/// `GET /v1/objects/{kind}/{id}/alarms`.
pub(crate) async fn of_object(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let key = shared.key(&caller, &ObjectPath::parse(request.uri().path())?)?;
    shared.gate.allow_object(&caller, Action::Watch, &key)?;
    if !shared.descriptions.iter().any(|kind| kind.kind == *key.kind()) {
        // The node has the sentence for a kind that it does not know.
        shared.node.snapshot(&key).await?;
    }
    page(&shared, &caller, Some(key), request.uri().query()).await
}

/// `GET /v1/alarms`.
pub(crate) async fn of_all(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    shared.gate.allow(&caller, &Ask::list(caller.namespace(), None, ""))?;
    page(&shared, &caller, None, request.uri().query()).await
}

async fn page(shared: &Shared, caller: &Caller, key: Option<Key>, query: Option<&str>) -> Result<Response, Problem> {
    let mut query = Query::parse(query)?;
    let dead = query.flag("dead")?;
    let after = query.text("cursor")?.map(|text| read(shared, caller, &text)).transpose()?;
    let limit = query.limit(USUAL, shared.limits.page_items)?;
    query.finish()?;
    let of_one = key.is_some();
    let ask = AlarmsQuery { key, namespace: caller.namespace().clone(), dead, after, limit };
    let found = shared.node.alarms(ask).await?;
    let more = found.more && !found.alarms.is_empty();
    let cursor = found.alarms.last().filter(|_| more).map(write);
    let mut alarms = Text::list();
    for alarm in &found.alarms {
        // What an alarm carries is of the object, as its state is.
        let shown = of_one || shared.shows(caller, &alarm.key);
        alarms.item(&whole(alarm, of_one, shown).finish());
    }
    let mut text = Text::object(alarms.len() + 100);
    text.bytes("alarms", &alarms.finish()).value("cursor", &cursor).boolean("more", more);
    Ok(text.respond())
}

fn whole(DueAlarm { key, alarm }: &DueAlarm, of_one: bool, shown: bool) -> Text {
    let mut text = Text::object(200);
    if !of_one {
        text.text("kind", key.kind().as_str()).text("id", key.id());
    }
    text.text("name", &alarm.name)
        .moment("due", alarm.due)
        .number("attempt", u64::from(alarm.attempt))
        .value("schedule", &alarm.schedule);
    if !shown {
        return text;
    }
    text.raw("payload", alarm.payload.as_str());
    if let Some(reason) = &alarm.dead {
        text.text("dead", reason);
    }
    text
}

fn write(DueAlarm { key, alarm }: &DueAlarm) -> String {
    cursor::write(&(alarm.due, key.kind(), key.id(), &alarm.name))
}

fn read(shared: &Shared, caller: &Caller, text: &str) -> Result<AlarmCursor> {
    let (due, kind, id, name): Position = cursor::read(text)?;
    let key = Key::new(caller.namespace(), &shared.kind(&kind)?, &id)?;
    Ok(AlarmCursor { due, key, name: name.into() })
}
