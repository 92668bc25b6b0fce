//! The shapes that answers are made of, and the problems.

use std::collections::BTreeMap;

use abide_core::Code;
use serde_json::{Map, Value, json};

use super::schema;
use crate::answer::problem::{meaning, status};

/// Shapes that do not depend on the kinds of a node.
pub(super) fn common() -> Map<String, Value> {
    let schemas = [
        (
            "Seq",
            json!({"type": "integer", "minimum": 0, "description": "The position of a change in its object's log"}),
        ),
        ("Moment", json!({"type": "string", "format": "date-time"})),
        ("Object", object()),
        ("ObjectPage", page("objects", &listed())),
        ("Change", change()),
        ("ChangePage", changes()),
        ("Alarm", alarm()),
        ("AlarmPage", page("alarms", &schema("Alarm"))),
        ("FeedPage", feed()),
        ("Kind", kind()),
        ("Handler", handler()),
        ("Problem", problem()),
    ];
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An object all of whose `fields` are there unless their name ends in `?`.
fn shape(fields: &[(&str, Value)]) -> Value {
    let bare = |name: &str| name.trim_end_matches('?').to_owned();
    let properties: Map<String, Value> = fields.iter().map(|(name, schema)| (bare(name), schema.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn list_of(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn object() -> Value {
    shape(&[
        ("kind", text()),
        ("id", text()),
        ("seq", schema("Seq")),
        ("state", json!({"type": "object"})),
        ("created_at", schema("Moment")),
        ("updated_at", schema("Moment")),
    ])
}

fn listed() -> Value {
    shape(&[
        ("id", text()),
        ("seq", schema("Seq")),
        ("state?", json!({"type": "object", "description": "Not there if the caller may not watch the object"})),
        ("created_at", schema("Moment")),
        ("updated_at", schema("Moment")),
    ])
}

fn page(items: &str, item: &Value) -> Value {
    let cursor = json!({"type": ["string", "null"], "description": "Asks for the next page, if there is more"});
    shape(&[(items, list_of(item)), ("cursor", cursor), ("more", boolean())])
}

fn change() -> Value {
    let event = shape(&[("id", text()), ("type", text()), ("data", json!({})), ("metadata?", json!({}))]);
    let cause = shape(&[("handler", text()), ("key?", text()), ("principal?", text())]);
    shape(&[
        ("seq", schema("Seq")),
        ("at", schema("Moment")),
        ("patch", json!({"type": "object", "description": "The new values of the fields that changed"})),
        ("ops?", json!({"type": "object", "description": "What collection fields did"})),
        ("removed?", json!({"type": "array", "items": text(), "description": "Fields that are no longer there"})),
        ("events?", list_of(&event)),
        ("cause?", cause),
        ("deleted?", boolean()),
    ])
}

fn changes() -> Value {
    let reset = shape(&[
        ("reason", json!({"enum": ["trimmed", "ahead"]})),
        ("seq", schema("Seq")),
        ("state", json!({"type": ["object", "null"]})),
    ]);
    let mut page = shape(&[
        ("changes", list_of(&schema("Change"))),
        ("next", schema("Seq")),
        ("more", boolean()),
        ("head", schema("Seq")),
        ("floor", schema("Seq")),
        ("reset?", reset),
    ]);
    page["description"] = json!(
        "`next` is the `after` of the next page. Changes up to `floor` are no longer kept: a page asked for from before \
         it has no changes, but a `reset` with the state now"
    );
    page
}

fn alarm() -> Value {
    shape(&[
        ("kind?", text()),
        ("id?", text()),
        ("name", text()),
        ("due", schema("Moment")),
        ("payload?", json!({})),
        ("attempt", count()),
        ("schedule", json!({"type": ["object", "null"]})),
        ("dead?", text()),
    ])
}

fn feed() -> Value {
    let entry = shape(&[
        ("position", count()),
        ("kind", text()),
        ("id", text()),
        ("shard", count()),
        ("first", schema("Seq")),
        ("last", schema("Seq")),
    ]);
    shape(&[
        ("entries", list_of(&entry)),
        ("next", count()),
        ("more", boolean()),
        ("floor", count()),
        ("gap", json!({"type": "boolean", "description": "Entries after the position asked for are no longer kept"})),
    ])
}

fn kind() -> Value {
    shape(&[
        ("kind", text()),
        ("description", text()),
        ("state", json!({"description": "The JSON Schema of the state"})),
        ("handlers", list_of(&schema("Handler"))),
        ("alarms", list_of(&schema("Handler"))),
        ("indexes", list_of(&text())),
        ("options", json!({"type": "object"})),
    ])
}

fn handler() -> Value {
    let parameter = shape(&[("name", text()), ("optional", boolean())]);
    shape(&[
        ("name", text()),
        ("description", text()),
        ("reads", boolean()),
        ("parameters", list_of(&parameter)),
        ("arguments", json!({"description": "The JSON Schema of the arguments"})),
        ("output", json!({"description": "The JSON Schema of the result"})),
    ])
}

fn problem() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    shape(&[
        ("type", text()),
        ("title", text()),
        ("status", count()),
        ("code", json!({ "enum": codes })),
        ("detail", text()),
        ("retryable", boolean()),
        ("maybe_applied?", boolean()),
        ("data?", json!({"description": "The data of the handler's own error"})),
        ("id?", json!({"type": "string", "description": "What to look for in the node's log"})),
    ])
}

/// A response for each status that a problem can have.
pub(super) fn problems() -> Map<String, Value> {
    let mut by_status: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for code in Code::ALL {
        let line = format!("`{code}`: {}", meaning(code));
        by_status.entry(status(code).as_u16().to_string()).or_default().push(line);
    }
    by_status.insert("405".into(), vec!["`bad_request`: This path does not have that method".into()]);
    by_status.insert("408".into(), vec!["`deadline`: The body did not arrive in time".into()]);
    by_status.into_iter().map(|(status, lines)| (status, response(&lines.join(". ")))).collect()
}

fn response(description: &str) -> Value {
    json!({"description": description, "content": {"application/problem+json": {"schema": schema("Problem")}}})
}
