//! TypeScript for `@abide/client`: an interface `Kinds`, with the state and the handlers of each kind.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::names::Names;

const HEAD: &str = "\
// Written by `abide gen ts` from the kinds of a node. Do not edit it: write it again.
// Integers are numbers here: beyond 9,007,199,254,740,991 they lose digits.

/** The arguments of a handler that has none. */
export type NoArguments = Record<string, never>;
";

/// The module for these kinds, as `GET /v1/kinds` describes them.
pub(super) fn module(kinds: &[&Value]) -> String {
    let mut writer = Writer::default();
    let reserved = writer.names.take("Kinds");
    writer.names.take("NoArguments");
    let mut index = String::new();
    for kind in kinds {
        let name = kind["kind"].as_str().unwrap_or_default();
        let (state, handlers) = writer.kind(name, kind);
        let _ = writeln!(index, "  {}: {{ state: {state}; handlers: {handlers} }};", property(name));
    }
    let Writer { text, .. } = writer;
    format!("{HEAD}{text}\n/** Every kind: `connect<Kinds>(url)`. */\nexport interface {reserved} {{\n{index}}}\n")
}

#[derive(Default)]
struct Writer {
    text: String,
    names: Names,
}

impl Writer {
    /// Writes the types of one kind; the names of its state and of its handlers.
    fn kind(&mut self, name: &str, kind: &Value) -> (String, String) {
        let state = self.names.take(&format!("{name}State"));
        let handlers = self.names.take(&format!("{name}Handlers"));
        let schema = &kind["state"];
        let types = self.definitions(name, schema);
        self.comment("", text(&kind["description"]));
        // A stored state has all its fields: what may be left out is left out of arguments and answers alone.
        match schema["properties"].as_object().filter(|fields| !fields.is_empty()) {
            Some(fields) => self.interface(&state, fields, &types),
            None => self.line(&format!("export type {state} = Record<string, unknown>;")),
        }
        let described = kind["handlers"].as_array().map_or(&[][..], Vec::as_slice);
        let written = Vec::from_iter(described.iter().map(|handler| self.handler(name, handler)));
        self.comment("", &format!("The handlers of {name}."));
        self.line(&format!("export interface {handlers} {{"));
        for (handler, signature) in described.iter().zip(written) {
            self.comment("  ", text(&handler["description"]));
            self.line(&format!("  {}: {signature};", property(text(&handler["name"]))));
        }
        self.line("}");
        (state, handlers)
    }

    /// The type of a handler, as a function.
    fn handler(&mut self, kind: &str, handler: &Value) -> String {
        let prefix = format!("{kind}-{}", text(&handler["name"]));
        let (arguments, output) = (&handler["arguments"], &handler["output"]);
        let types = self.definitions(&prefix, arguments);
        let result = match output {
            Value::Object(_) => {
                let types = self.definitions(&prefix, output);
                of(output, &types)
            }
            _ => "unknown".into(),
        };
        let may_be_left_out = arguments["required"].as_array().is_none_or(Vec::is_empty);
        let mark = if may_be_left_out { "?" } else { "" };
        let arguments = match arguments["properties"].as_object() {
            Some(fields) if !fields.is_empty() => of(arguments, &types),
            _ => "NoArguments".into(),
        };
        format!("(args{mark}: {arguments}) => {result}")
    }

    /// Writes the named types of a schema, those that contain themselves; the name of each.
    fn definitions(&mut self, prefix: &str, schema: &Value) -> Definitions {
        let Some(all) = schema["$defs"].as_object() else { return Definitions::default() };
        let take = |name: &String| (format!("#/$defs/{name}"), self.names.take(&format!("{prefix}-{name}")));
        let types = Definitions(all.keys().map(take).collect());
        for (name, schema) in all {
            let given = types.name(&format!("#/$defs/{name}")).unwrap_or_default().to_owned();
            self.text.push('\n');
            self.line(&format!("export type {given} = {};", of(schema, &types)));
        }
        types
    }

    fn interface(&mut self, name: &str, fields: &Map<String, Value>, types: &Definitions) {
        self.line(&format!("export interface {name} {{"));
        for (field, schema) in fields {
            self.comment("  ", text(&schema["description"]));
            self.line(&format!("  {}: {};", property(field), of(schema, types)));
        }
        self.line("}");
    }

    fn comment(&mut self, indent: &str, text: &str) {
        if indent.is_empty() {
            self.text.push('\n');
        }
        if !text.is_empty() {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("*/", "*\u{200b}/");
            self.line(&format!("{indent}/** {text} */"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The names that a schema's own definitions have got.
#[derive(Default)]
struct Definitions(Vec<(String, String)>);

impl Definitions {
    fn name(&self, reference: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == reference).map(|(_, name)| name.as_str())
    }
}

/// The type of what a JSON Schema allows.
fn of(schema: &Value, types: &Definitions) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| types.name(reference)) {
        return name.to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return union(values.iter().map(Value::to_string));
    }
    if let Some(forms) = ["oneOf", "anyOf"].iter().find_map(|name| schema[name].as_array()) {
        return union(forms.iter().map(|form| of(form, types)));
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema, types),
        Value::Array(names) => union(names.iter().map(|name| named(text(name), schema, types))),
        _ => "unknown".into(),
    }
}

fn named(name: &str, schema: &Value, types: &Definitions) -> String {
    match name {
        "integer" | "number" => "number".into(),
        "string" | "boolean" | "null" => name.into(),
        "array" => match schema["prefixItems"].as_array() {
            Some(items) => format!("[{}]", Vec::from_iter(items.iter().map(|item| of(item, types))).join(", ")),
            None => format!("Array<{}>", of(&schema["items"], types)),
        },
        "object" => object(schema, types),
        _ => "unknown".into(),
    }
}

fn object(schema: &Value, types: &Definitions) -> String {
    let Some(fields) = schema["properties"].as_object().filter(|fields| !fields.is_empty()) else {
        return match schema.get("additionalProperties") {
            Some(Value::Object(values)) => format!("Record<string, {}>", of(&values.clone().into(), types)),
            Some(Value::Bool(false)) => "Record<string, never>".into(),
            _ => "Record<string, unknown>".into(),
        };
    };
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let needed = |name: &str| required.iter().any(|required| required == name);
    let fields = fields.iter().map(|(name, schema)| {
        let mark = if needed(name) { "" } else { "?" };
        format!("{}{mark}: {}", property(name), of(schema, types))
    });
    format!("{{ {} }}", Vec::from_iter(fields).join("; "))
}

/// The alternatives, each once.
fn union(forms: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for form in forms {
        if !all.contains(&form) {
            all.push(form);
        }
    }
    match all.is_empty() {
        true => "never".into(),
        false => all.join(" | "),
    }
}

/// A property's name: in quotes unless it is a plain word.
fn property(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_word = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    if is_word { name.into() } else { Value::from(name).to_string() }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, written: &str) {
        assert_eq!(of(schema, &Definitions::default()), written, "{schema}");
    }

    #[test]
    fn schemas_become_types() {
        check(&json!({"type": "integer", "format": "int64"}), "number");
        check(&json!({"type": ["string", "null"], "format": "date-time"}), "string | null");
        check(&json!({"type": "array", "items": {"type": ["boolean", "null"]}}), "Array<boolean | null>");
        check(&json!({"type": "array", "prefixItems": [{"type": "string"}, {}]}), "[string, unknown]");
        check(&json!({"type": "object", "additionalProperties": {"type": "number"}}), "Record<string, number>");
        check(&json!({"type": "object", "additionalProperties": {}}), "Record<string, unknown>");
        check(&json!({"type": "string", "enum": ["Open", "it's"]}), r#""Open" | "it's""#);
        check(&json!({"oneOf": [{"type": "null"}, {"type": "integer"}, {"type": "number"}]}), "null | number");
        check(
            &json!({"type": "object", "properties": {"a-b": {"type": "null"}, "c": {}}, "required": ["c"]}),
            r#"{ "a-b"?: null; c: unknown }"#,
        );
    }

    #[test]
    fn a_type_that_contains_itself_gets_a_name() {
        let tree = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}, "required": []});
        let output = json!({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}});
        let handler = json!({"name": "grow", "arguments": {"type": "object", "properties": {}}, "output": output});
        let module = module(&[&json!({"kind": "Wood", "state": {"type": "object"}, "handlers": [handler]})]);
        assert!(module.contains("export type WoodGrowTree = { next?: WoodGrowTree };"), "{module}");
        assert!(module.contains("  grow: (args?: NoArguments) => WoodGrowTree;"), "{module}");
        assert!(module.contains("  Wood: { state: WoodState; handlers: WoodHandlers };"), "{module}");
    }

    #[test]
    fn a_description_cannot_end_its_comment() {
        let module = module(&[&json!({"kind": "K", "description": "ends */ here", "state": {}, "handlers": []})]);
        assert!(!module.contains("*/ here"), "{module}");
    }
}
