#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::schema_of;
use crate::{Json, Kind, Timestamp};

#[allow(clippy::needless_pass_by_value)]
fn check<'de, T: Deserialize<'de>>(expected: Value) {
    let schema = schema_of::<T>();
    assert_eq!(schema, expected, "got {schema:#}");
}

#[test]
fn primitives_say_their_type_and_range() {
    check::<bool>(json!({"type": "boolean"}));
    check::<i8>(json!({"type": "integer", "minimum": -128, "maximum": 127}));
    check::<u8>(json!({"type": "integer", "minimum": 0, "maximum": 255}));
    check::<u32>(json!({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32}));
    check::<i32>(json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}));
    check::<i64>(json!({"type": "integer", "format": "int64"}));
    check::<u64>(json!({"type": "integer", "format": "uint64", "minimum": 0}));
    check::<f64>(json!({"type": "number"}));
    check::<String>(json!({"type": "string"}));
    check::<&str>(json!({"type": "string"}));
    check::<char>(json!({"type": "string", "minLength": 1, "maxLength": 1}));
    check::<()>(json!({"type": "null"}));
    check::<NonZeroU32>(json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}));
}

#[test]
fn collections_say_what_they_hold() {
    check::<Vec<bool>>(json!({"type": "array", "items": {"type": "boolean"}}));
    check::<BTreeSet<String>>(json!({"type": "array", "items": {"type": "string"}}));
    check::<HashMap<String, f32>>(json!({"type": "object", "additionalProperties": {"type": "number"}}));
    check::<(bool, String)>(json!({
        "type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [{"type": "boolean"}, {"type": "string"}],
    }));
    check::<[bool; 32]>(json!({"type": "array", "minItems": 32, "maxItems": 32, "items": {"type": "boolean"}}));
    check::<BTreeMap<u8, ()>>(json!({
        "type": "object", "additionalProperties": {"type": "null"}, "propertyNames": {"pattern": "^-?[0-9]+$"},
    }));
}

#[test]
fn an_option_adds_null() {
    check::<Option<String>>(json!({"type": ["string", "null"]}));
    check::<Option<Option<String>>>(json!({"type": ["string", "null"]}));
    check::<Option<Status>>(
        json!({"anyOf": [{"type": "string", "enum": ["Open", "in_work", "Done"]}, {"type": "null"}]}),
    );
    check::<Option<Value>>(json!({}));
}

#[test]
fn what_may_be_anything_says_so() {
    check::<Value>(json!({}));
    check::<Json>(json!({}));
    check::<Box<serde_json::value::RawValue>>(json!({}));
    check::<serde_json::Map<String, Value>>(json!({"type": "object", "additionalProperties": {}}));
}

#[derive(Deserialize)]
enum Status {
    Open,
    #[serde(rename = "in_work")]
    InWork,
    Done,
}

#[derive(Deserialize, Default)]
struct Counter {
    count: i64,
    last_incremented_at: Option<Timestamp>,
}

#[test]
fn a_struct_lists_its_fields_and_those_it_needs() {
    check::<Counter>(json!({
        "title": "Counter",
        "type": "object",
        "properties": {
            "count": {"type": "integer", "format": "int64"},
            "last_incremented_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "a timestamp such as 2026-01-02T03:04:05.678Z",
            },
        },
        "required": ["count"],
    }));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    placed_at: Timestamp,
    #[serde(default)]
    note: String,
    kind: Kind,
    #[serde(alias = "qty")]
    quantity: u32,
    #[serde(skip)]
    cache: u32,
    lines: Vec<Line>,
    status: Status,
}

#[derive(Deserialize)]
struct Line(String, f64);

#[test]
fn defaults_renames_aliases_and_closed_structs_are_seen() {
    let schema = schema_of::<Order>();
    assert_eq!(schema["required"], json!(["placedAt", "kind", "quantity", "lines", "status"]), "{schema:#}");
    assert_eq!(schema["additionalProperties"], json!(false));
    let names: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["kind", "lines", "note", "placedAt", "quantity", "status"]));
    assert_eq!(schema["properties"]["kind"], json!({"type": "string", "minLength": 1}));
    assert_eq!(schema["properties"]["lines"]["items"]["prefixItems"][1], json!({"type": "number"}));
}

#[derive(Deserialize)]
#[serde(default)]
struct Lenient {
    a: i64,
    b: String,
}

impl Default for Lenient {
    fn default() -> Self {
        Self { a: 1, b: "b".to_owned() }
    }
}

#[test]
fn a_struct_with_a_default_requires_nothing() {
    let schema = schema_of::<Lenient>();
    assert_eq!(schema.get("required"), None);
    assert_eq!(schema["properties"].as_object().unwrap().len(), 2);
}

#[derive(Deserialize)]
enum Command {
    Stop,
    Reset,
    Say(String),
    Move(i8, i8),
    Paint {
        color: String,
        #[serde(default)]
        width: u8,
    },
}

#[test]
fn an_enum_is_one_of_its_variants() {
    let byte = json!({"type": "integer", "minimum": -128, "maximum": 127});
    let form = |name: &str, payload: Value| json!({"type": "object", "properties": {name: payload}, "required": [name], "additionalProperties": false});
    check::<Command>(json!({"oneOf": [
        {"type": "string", "enum": ["Stop", "Reset"]},
        form("Say", json!({"type": "string"})),
        form("Move", json!({"type": "array", "minItems": 2, "maxItems": 2, "items": byte})),
        form("Paint", json!({
            "type": "object",
            "properties": {"color": {"type": "string"}, "width": {"type": "integer", "minimum": 0, "maximum": 255}},
            "required": ["color"],
        })),
    ]}));
    check::<Status>(json!({"type": "string", "enum": ["Open", "in_work", "Done"]}));
    check::<HashMap<Status2, bool>>(json!({
        "type": "object",
        "additionalProperties": {"type": "boolean"},
        "propertyNames": {"type": "string", "enum": ["A", "B"]},
    }));
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
enum Status2 {
    A,
    B,
}

#[derive(Deserialize)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
}

#[test]
fn a_type_that_contains_itself_is_referred_to() {
    check::<Tree>(json!({
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {
            "title": "Tree",
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                "parent": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
            },
            "required": ["name", "children"],
        }},
    }));
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Nested(Vec<Nested>);

#[test]
fn a_generic_type_within_itself_is_not_taken_for_recursion() {
    let schema = schema_of::<Page<Page<bool>>>();
    assert_eq!(schema["properties"]["items"]["items"]["properties"]["items"]["items"], json!({"type": "boolean"}));
    assert!(schema_of::<Nested>().to_string().contains("$ref"));
}

struct Even;

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert!(text.len() == 1_000, "no sample has this length");
        Ok(Self)
    }
}

#[derive(Deserialize)]
struct Picky {
    before: bool,
    at: Even,
    #[serde(default)]
    later: bool,
    maybe: Option<bool>,
    after: bool,
}

#[test]
fn a_type_that_panics_or_accepts_no_sample_gives_its_best_known_shape() {
    let schema = schema_of::<Picky>();
    assert_eq!(schema["properties"]["at"], json!({"type": "string", "minLength": 1}));
    assert_eq!(schema["properties"]["after"], json!({"type": "boolean"}));
    assert_eq!(schema["required"], json!(["before", "at", "later", "after"]));
}

#[derive(Deserialize)]
struct Flat {
    a: bool,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    A { x: i32 },
}

#[test]
fn flattened_and_internally_tagged_types_are_open() {
    check::<Flat>(json!({"type": "object"}));
    check::<Tagged>(json!({}));
}

#[derive(Deserialize)]
struct A(B, B, B, B);
#[derive(Deserialize)]
struct B(C, C, C, C);
#[derive(Deserialize)]
struct C(Vec<Vec<Vec<Vec<Vec<String>>>>>, Option<Box<A>>);

#[test]
fn probing_ends_for_types_that_branch_and_recurse() {
    let schema = schema_of::<A>();
    assert!(schema.to_string().len() < 100_000);
}

#[test]
fn types_of_the_standard_library_are_known() {
    let duration = schema_of::<Duration>();
    assert_eq!(duration["required"], json!(["secs", "nanos"]));
    assert_eq!(schema_of::<core::net::Ipv4Addr>()["format"], json!("ipv4"));
    assert_eq!(schema_of::<Result<bool, String>>()["oneOf"][0]["required"], json!(["Ok"]));
}

/// The part of JSON Schema that is written here.
fn is_valid(schema: &Value, root: &Value, value: &Value) -> bool {
    let valid = |schema: &Value, value: &Value| is_valid(schema, root, value);
    if let Some(reference) = schema["$ref"].as_str() {
        return valid(root.pointer(reference.trim_start_matches('#')).expect("it is defined"), value);
    }
    let all = |name: &str, holds: &dyn Fn(&Value) -> bool| schema.get(name).is_none_or(holds);
    let is = |name: &Value| match name.as_str().expect("a type is a name") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    let count = |name: &str| schema[name].as_array().unwrap().iter().filter(|each| valid(each, value)).count();
    all("type", &|t| t.as_array().map_or_else(|| is(t), |types| types.iter().any(is)))
        && all("enum", &|names| names.as_array().unwrap().contains(value))
        && all("oneOf", &|_| count("oneOf") == 1)
        && all("anyOf", &|_| count("anyOf") >= 1)
        && all("minimum", &|min| value.as_i64().is_none_or(|value| value >= min.as_i64().unwrap()))
        && all("maximum", &|max| value.as_i64().is_none_or(|value| value <= max.as_i64().unwrap()))
        && all("required", &|names| {
            let missing = |name: &Value| value.get(name.as_str().unwrap()).is_none();
            !value.is_object() || !names.as_array().unwrap().iter().any(missing)
        })
        && value.as_array().is_none_or(|items| {
            let item = |(place, item)| valid(schema.get("items").unwrap_or(&schema["prefixItems"][place]), item);
            items.iter().enumerate().all(item)
        })
        && value.as_object().is_none_or(|fields| {
            fields.iter().all(|(name, field)| {
                match (schema["properties"].get(name), schema.get("additionalProperties")) {
                    (Some(schema), _) => valid(schema, field),
                    (None, Some(Value::Bool(open))) => *open,
                    (None, Some(schema)) => valid(schema, field),
                    (None, None) => true,
                }
            })
        })
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Shape {
    Dot,
    Circle(u8),
    Line((i16, i16), (i16, i16)),
    Group { name: Option<String>, shapes: Vec<Shape>, tags: BTreeMap<String, bool> },
}

static SHAPE: LazyLock<Value> = LazyLock::new(schema_of::<Shape>);

fn shapes() -> impl Strategy<Value = Shape> {
    let points = any::<((i16, i16), (i16, i16))>();
    let simple = prop_oneof![
        Just(Shape::Dot),
        any::<u8>().prop_map(Shape::Circle),
        points.prop_map(|(from, to)| Shape::Line(from, to)),
    ];
    simple.prop_recursive(3, 16, 4, |inner| {
        let parts = (any::<Option<String>>(), prop::collection::vec(inner, 0..4), any::<BTreeMap<String, bool>>());
        parts.prop_map(|(name, shapes, tags)| Shape::Group { name, shapes, tags })
    })
}

proptest! {
    #[test]
    fn what_a_type_writes_is_valid_by_its_schema(shape in shapes()) {
        let value = serde_json::to_value(&shape).unwrap();
        prop_assert!(is_valid(&SHAPE, &SHAPE, &value), "{value:#} by {:#}", *SHAPE);
    }

    #[test]
    fn what_a_type_does_not_read_is_not_valid(number in 256..i64::MAX, name: String) {
        for value in [json!({"Circle": number}), json!({"Group": {"name": name}}), json!({name: number}), json!(number)] {
            prop_assert!(!is_valid(&SHAPE, &SHAPE, &value), "{value:#}");
            prop_assert!(serde_json::from_value::<Shape>(value).is_err());
        }
    }
}
