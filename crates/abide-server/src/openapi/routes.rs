//! The paths that every node has.

use serde_json::{Map, Value, json};

use super::{answer, answers, schema};

/// The problems of anything that looks at an object.
const LOOK: [&str; 3] = ["401", "404", "503"];
/// The problems of a call.
const CALL: [&str; 9] = ["401", "404", "408", "409", "413", "415", "422", "503", "504"];

/// Path templates and what they answer.
pub(super) fn paths() -> Map<String, Value> {
    let paths = [
        ("/v1/objects/{kind}", json!({"parameters": [kind()], "get": list()})),
        ("/v1/objects/{kind}/{id}", json!({"parameters": [kind(), id()], "get": read(), "delete": delete()})),
        ("/v1/objects/{kind}/{id}/changes", json!({"parameters": [kind(), id()], "get": changes()})),
        ("/v1/objects/{kind}/{id}/alarms", json!({"parameters": [kind(), id()], "get": alarms("alarms_of_object")})),
        ("/v1/objects/{kind}/{id}/{handler}", json!({"parameters": [kind(), id(), handler()], "post": call()})),
        ("/v1/alarms", json!({"get": alarms("alarms")})),
        ("/v1/kinds", json!({"get": kinds()})),
        ("/v1/kinds/{kind}", json!({"parameters": [kind()], "get": one_kind()})),
        ("/v1/feed", json!({"get": feed()})),
        ("/v1/projections", json!({"get": projections()})),
        ("/v1/projections/{name}/rebuild", json!({"parameters": [projection()], "post": rebuild()})),
        ("/v1/inspect/graph", json!({"get": inspect("graph", "Who called whom in the last minute", true)})),
        ("/v1/inspect/node", json!({"get": inspect("node", "Version, uptime, memory and limits of the node", false)})),
        ("/v1/inspect/store", json!({"get": inspect("store", "What the store holds", false)})),
        ("/v1/inspect/activity", json!({"get": inspect("activity", "What memory knows of an object", true)})),
        ("/v1/inspect/changes", json!({"get": heard()})),
        ("/healthz", json!({"get": health("live", "Whether the process answers", &[])})),
        ("/readyz", json!({"get": health("ready", "Whether calls are taken; fails while stopping", &["503"])})),
        ("/metrics", json!({"get": metrics()})),
        ("/openapi.json", json!({"get": openapi()})),
    ];
    paths.into_iter().map(|(path, item)| (path.to_owned(), item)).collect()
}

fn parameter(place: &str, name: &str, description: &str, schema: Value) -> Value {
    let mut parameter = json!({"name": name, "in": place, "description": description});
    parameter["schema"] = schema;
    parameter
}

fn path(name: &str, description: &str, schema: Value) -> Value {
    let mut parameter = parameter("path", name, description, schema);
    parameter["required"] = true.into();
    parameter
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    parameter("query", name, description, schema)
}

fn header(name: &str, description: &str, schema: Value) -> Value {
    parameter("header", name, description, schema)
}

fn kind() -> Value {
    let schema = json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "maxLength": 128});
    path("kind", "The kind's name", schema)
}

/// The parameter that names an object.
pub(super) fn id() -> Value {
    let about = "The object's id: any text, percent-encoded (`/` as `%2F`)";
    path("id", about, json!({"type": "string", "minLength": 1, "maxLength": 512}))
}

fn handler() -> Value {
    path("handler", "The handler's name", json!({"type": "string"}))
}

fn number() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn limit() -> Value {
    query("limit", "How many at most", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}))
}

fn cursor() -> Value {
    query("cursor", "The `cursor` of the page before", json!({"type": "string", "minLength": 1}))
}

/// The headers of a call.
pub(super) fn call_headers() -> Vec<Value> {
    let text = || json!({"type": "string"});
    vec![
        header(
            "Idempotency-Key",
            "Calls with the same key take effect once, however often they are sent",
            json!({"type": "string", "minLength": 1, "maxLength": 256}),
        ),
        header("Abide-Timeout", "How long to wait for the answer, such as `250ms` or `2s`; 30s if absent", text()),
        header("traceparent", "The trace this call belongs to (W3C trace context)", text()),
    ]
}

/// The answers of a call whose result has this schema.
pub(super) fn call_answers(result: &Value) -> Value {
    let reply = json!({
        "type": "object",
        "required": ["result", "seq"],
        "properties": {"result": result, "seq": schema("Seq")},
    });
    answers(answer("What the handler returned, and the seq of the object that it reflects", &reply), &CALL)
}

fn call() -> Value {
    json!({
        "operationId": "call",
        "tags": ["objects"],
        "summary": "Call a handler",
        "parameters": call_headers(),
        "requestBody": {
            "description": "An object of named arguments, a list of positional ones, or nothing",
            "content": {"application/json": {"schema": {"type": ["object", "array", "null"]}}},
        },
        "responses": call_answers(&json!({})),
    })
}

fn read() -> Value {
    json!({
        "operationId": "read",
        "tags": ["objects"],
        "summary": "The state of an object",
        "parameters": [query("at", "The state as it was after this change, if that is still kept", number())],
        "responses": answers(answer("The object", &schema("Object")), &LOOK),
    })
}

fn delete() -> Value {
    let deleted = json!({"type": "object", "required": ["deleted"], "properties": {"deleted": {"type": "boolean"}}});
    json!({
        "operationId": "delete",
        "tags": ["objects"],
        "summary": "Delete an object: its state, alarms and history",
        "responses": answers(answer("Whether it was there", &deleted), &LOOK),
    })
}

fn list() -> Value {
    json!({
        "operationId": "list",
        "tags": ["objects"],
        "summary": "The objects of a kind, by id or by a field",
        "parameters": [
            query("prefix", "Only ids that begin with this", json!({"type": "string"})),
            query("where", "Only objects whose state matches, such as `count>5 and status=open`", json!({"type": "string"})),
            query("order", "By this field, or from its greatest value on: `count`, `-count`; otherwise by id", json!({"type": "string"})),
            limit(),
            cursor(),
        ],
        "responses": answers(answer("A page of objects", &schema("ObjectPage")), &LOOK),
    })
}

fn changes() -> Value {
    let mut ok = answer(
        "A page of changes; or, when asked for with `Accept: text/event-stream`, a live stream",
        &schema("ChangePage"),
    );
    ok["content"]["text/event-stream"] = json!({"schema": {
        "type": "string",
        "description": "Events `change` (data: a Change) and `reset` (data: seq, state, reason), each with `id` = seq; \
            `error` (data: a Problem) before the stream ends; a comment line as heartbeat",
    }});
    let from = "Only changes after this seq. Without it, a page begins with the oldest kept change and a stream with \
        everything kept; `now`, for a stream, begins with what comes next";
    json!({
        "operationId": "changes",
        "tags": ["objects"],
        "summary": "What happened to an object, as pages or as a stream",
        "parameters": [
            query("after", from, json!({"oneOf": [number(), {"const": "now"}]})),
            limit(),
            header("Last-Event-ID", "The last event a stream has seen; it resumes after it", json!({"type": "string"})),
        ],
        "responses": answers(ok, &LOOK),
    })
}

fn alarms(operation: &str) -> Value {
    json!({
        "operationId": operation,
        "tags": ["objects"],
        "summary": "Pending alarms, or those that were given up",
        "parameters": [
            query("dead", "Show those that were given up", json!({"type": "boolean", "default": false})),
            limit(),
            cursor(),
        ],
        "responses": answers(answer("A page of alarms, by due time", &schema("AlarmPage")), &LOOK),
    })
}

fn kinds() -> Value {
    let list = json!({
        "type": "object",
        "required": ["kinds"],
        "properties": {"kinds": {"type": "array", "items": schema("Kind")}},
    });
    json!({
        "operationId": "kinds",
        "tags": ["node"],
        "summary": "The kinds of this node, with the schemas of states, arguments and results",
        "responses": answers(answer("The kinds", &list), &["401"]),
    })
}

fn one_kind() -> Value {
    json!({
        "operationId": "kind",
        "tags": ["node"],
        "summary": "One kind",
        "responses": answers(answer("The kind", &schema("Kind")), &["401", "404"]),
    })
}

fn feed() -> Value {
    json!({
        "operationId": "feed",
        "tags": ["node"],
        "summary": "Which object reached which seq, in commit order, without a gap",
        "parameters": [
            query("shard", "Only objects of this shard", number()),
            query("after", "Only entries after this position", number()),
            limit(),
        ],
        "responses": answers(answer("A page of the feed", &schema("FeedPage")), &LOOK),
    })
}

fn projection() -> Value {
    path("name", "The projection's name", json!({"type": "string"}))
}

fn projections() -> Value {
    let list = json!({
        "type": "object",
        "required": ["projections"],
        "properties": {"projections": {"type": "array", "items": {"type": "object"}}},
    });
    json!({
        "operationId": "projections",
        "tags": ["node"],
        "summary": "The projections of this node: what they do, how far behind they are, what failed",
        "responses": answers(answer("The projections", &list), &["400", "403"]),
    })
}

fn rebuild() -> Value {
    json!({
        "operationId": "rebuild_projection",
        "tags": ["node"],
        "summary": "Empty a read model and fill it anew",
        "responses": answers(answer("The projection, as it is now", &json!({"type": "object"})), &["400", "403", "404"]),
    })
}

/// What the inspector looks at; some of it of one object.
fn inspect(operation: &str, summary: &str, of_object: bool) -> Value {
    let text = || json!({"type": "string"});
    let object = [query("kind", "The object's kind", text()), query("id", "The object's id", text())];
    let mut parameters: Vec<Value> = object.into_iter().filter(|_| of_object).collect();
    if operation == "graph" {
        parameters.push(limit());
    }
    json!({
        "operationId": format!("inspect_{operation}"),
        "tags": ["inspector"],
        "summary": summary,
        "parameters": parameters,
        "responses": answers(answer("What it is now", &json!({"type": "object"})), &LOOK),
    })
}

fn heard() -> Value {
    let ok = json!({
        "description": "Server-sent events: `change` with the object's kind, id and change; `missed` with a count",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    });
    json!({
        "operationId": "inspect_changes",
        "tags": ["inspector"],
        "summary": "The changes of all objects as they become durable, for looking at",
        "parameters": [query("kind", "Only changes of this kind", json!({"type": "string"}))],
        "responses": answers(ok, &LOOK),
    })
}

fn health(operation: &str, summary: &str, problems: &[&str]) -> Value {
    let status = json!({"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}});
    json!({
        "operationId": operation,
        "tags": ["operations"],
        "summary": summary,
        "responses": answers(answer("Yes", &status), problems),
    })
}

fn metrics() -> Value {
    let ok = json!({
        "description": "Counters, gauges and histograms in the text format of Prometheus",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    });
    json!({
        "operationId": "metrics",
        "tags": ["operations"],
        "summary": "Metrics",
        "responses": answers(ok, &["401", "404"]),
    })
}

fn openapi() -> Value {
    json!({
        "operationId": "openapi",
        "tags": ["operations"],
        "summary": "This document",
        "responses": answers(answer("OpenAPI 3.1", &json!({"type": "object"})), &["401"]),
    })
}
