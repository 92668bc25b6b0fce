//! A path for each handler of each kind, with the schemas of its arguments and its result.

use abide_node::{HandlerDescription, KindDescription, lead_references};
use serde_json::{Map, Value, json};

use super::{
    routes::{call_answers, call_headers, id},
    schema,
};

/// Adds what a kind has.
pub(super) fn describe(kind: &KindDescription, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    let name = kind.kind.as_str();
    add(schemas, format!("{name}.state"), kind.state.clone());
    for handler in &kind.handlers {
        let path = format!("/v1/objects/{name}/{{id}}/{}", handler.name);
        paths.insert(path, json!({"parameters": [id()], "post": operation(name, handler, schemas)}));
    }
}

fn operation(kind: &str, handler: &HandlerDescription, schemas: &mut Map<String, Value>) -> Value {
    let operation = format!("{kind}.{}", handler.name);
    let arguments = add(schemas, format!("{operation}.arguments"), handler.arguments());
    let result = add(schemas, format!("{operation}.result"), handler.output.clone());
    let needed = handler.parameters.iter().any(|parameter| !parameter.optional);
    let positional = positional(&operation, handler);
    let body = match needed {
        true => json!({"anyOf": [arguments, positional]}),
        false => json!({"anyOf": [arguments, positional, {"type": "null"}]}),
    };
    json!({
        "operationId": operation,
        "tags": [kind],
        "summary": handler.description,
        "parameters": call_headers(),
        "requestBody": {"required": needed, "content": {"application/json": {"schema": body}}},
        "responses": call_answers(&result),
    })
}

/// The arguments as a list, in the order of the parameters.
fn positional(operation: &str, handler: &HandlerDescription) -> Value {
    let parameters = &handler.parameters;
    let one = |name: &str| schema(&format!("{operation}.arguments/properties/{name}"));
    let items: Vec<Value> = parameters.iter().map(|parameter| one(parameter.name)).collect();
    let needed = parameters.iter().rposition(|parameter| !parameter.optional).map_or(0, |last| last + 1);
    let mut list = json!({"type": "array", "minItems": needed, "maxItems": items.len()});
    if !items.is_empty() {
        list["prefixItems"] = items.into();
    }
    list
}

/// Adds a schema to the document and answers with a reference to it. References inside it, which lead to
/// its own root, are led to where that root is now.
fn add(schemas: &mut Map<String, Value>, name: String, mut added: Value) -> Value {
    let reference = schema(&name);
    lead_references(&mut added, &format!("#/components/schemas/{name}"));
    schemas.insert(name, added);
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_led_to_where_the_schema_is() {
        let mut schemas = Map::new();
        let tree = json!({"$ref": "#/$defs/Tree", "$defs": {"Tree": {"items": [{"$ref": "#/$defs/Tree"}]}}});
        let reference = add(&mut schemas, "Forest.state".into(), tree);
        assert_eq!(reference, json!({"$ref": "#/components/schemas/Forest.state"}));
        let added = &schemas["Forest.state"];
        assert_eq!(added["$ref"], "#/components/schemas/Forest.state/$defs/Tree");
        assert_eq!(added["$defs"]["Tree"]["items"][0]["$ref"], "#/components/schemas/Forest.state/$defs/Tree");
    }
}
