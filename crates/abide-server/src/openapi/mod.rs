//! `GET /openapi.json`: every route, with a path of its own for each handler of each kind.

mod handlers;
mod routes;
mod schemas;

use abide_node::KindDescription;
use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document of a node with these kinds.
pub(crate) fn document(kinds: &[KindDescription]) -> Value {
    let mut paths = routes::paths();
    let mut schemas = schemas::common();
    for kind in kinds {
        handlers::describe(kind, &mut paths, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Abide",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Objects that are durable, singular and watchable, called by name. Errors are problems \
                (RFC 9457) with a `code`; `retryable` says whether the same request may succeed later, `maybe_applied` \
                whether it may have taken effect although it failed.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "tags": tags(kinds),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": schemas::problems(),
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A signed JWT or an API key, where callers are asked who they are",
            }},
        },
    })
}

fn tags(kinds: &[KindDescription]) -> Vec<Value> {
    let fixed = [
        ("objects", "Any object of any kind."),
        ("node", "What this node knows and does."),
        ("operations", "Health, metrics and this document."),
    ];
    let fixed = fixed.into_iter().map(|(name, description)| json!({"name": name, "description": description}));
    fixed.chain(kinds.iter().map(|kind| json!({"name": kind.kind, "description": kind.description}))).collect()
}

/// An answer in JSON.
fn answer(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

/// The problems that any request may meet: at the door, or within.
const ALWAYS: [&str; 4] = ["400", "403", "429", "500"];

/// The answers of an operation: what it gives, and the problems it may meet, by status.
fn answers(ok: Value, problems: &[&str]) -> Value {
    let mut all = Map::new();
    all.insert("200".into(), ok);
    for status in ALWAYS.iter().chain(problems) {
        all.insert((*status).into(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
    Value::Object(all)
}

/// A reference to a schema of the document.
fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in a document.
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("$ref", Value::String(to)) => found.push(to),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&[]);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for to in found {
            assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = document(&[]);
        let mut names: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(count, 21);
    }
}
