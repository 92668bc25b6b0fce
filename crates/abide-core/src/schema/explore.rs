//! Putting a schema together from what the probes saw.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::probe::Run;
use super::sample::{Refusal, Sample};
use super::shape::{Seen, Shape, Step};

/// How deep a position may lie.
const DEPTH_MAX: usize = 48;

/// How many times a type is run before the rest of it counts as anything.
const RUNS_MAX: usize = 20_000;

/// Tuples and arrays longer than this are taken to hold items of one type.
const TUPLE_MAX: usize = 16;

/// Texts to try on a type that checks its text, and the format that accepting only this one shows.
const TEXTS: [(&str, Option<&str>); 18] = [
    ("", None),
    ("a", None),
    ("0", None),
    ("1", None),
    ("2026-01-02T03:04:05.678Z", Some("date-time")),
    ("2026-01-02", Some("date")),
    ("03:04:05", Some("time")),
    ("2026-01-02T03:04:05", None),
    ("1s", None),
    ("01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
    ("67e55044-10b1-426f-9247-bb680e5fe0c8", Some("uuid")),
    ("127.0.0.1", Some("ipv4")),
    ("::1", Some("ipv6")),
    ("127.0.0.1:80", None),
    ("http://localhost/", Some("uri")),
    ("1.0.0", None),
    ("a@b.example", Some("email")),
    ("00000000000000000000000000000000", None),
];

/// What is known of a position.
#[derive(Clone)]
struct Known {
    schema: Value,
    /// A value that the type accepts there, if one was found.
    sample: Option<Sample>,
    /// Whether it is an option, which a struct may do without.
    optional: bool,
}

/// What tells a named type from another: the type of its visitor, its name, its fields or variants.
type Identity = (&'static str, &'static str, &'static [&'static str]);

/// Explores one type.
pub(super) struct Explorer {
    run: fn(&Run, &[Step]),
    runs_left: usize,
    /// The named types being explored, from the outermost.
    open: Vec<Identity>,
    done: HashMap<Identity, Known>,
    /// The named types that contain themselves, with their names in `$defs`.
    recursive: HashMap<Identity, String>,
    defs: BTreeMap<String, Value>,
}

impl Known {
    fn anything() -> Self {
        Self::new(json!({}), None)
    }

    fn new(schema: Value, sample: Option<Sample>) -> Self {
        Self { schema, sample, optional: false }
    }
}

impl Explorer {
    /// An explorer of the type that `run` runs.
    pub(super) fn new(run: fn(&Run, &[Step])) -> Self {
        Self {
            run,
            runs_left: RUNS_MAX,
            open: Vec::new(),
            done: HashMap::new(),
            recursive: HashMap::new(),
            defs: BTreeMap::new(),
        }
    }

    /// The schema of the whole type.
    pub(super) fn schema(mut self) -> Value {
        let mut schema = self.explore(&mut Vec::new()).schema;
        if !self.defs.is_empty() {
            schema["$defs"] = json!(self.defs);
        }
        schema
    }

    fn explore(&mut self, path: &mut Vec<Step>) -> Known {
        if path.len() > DEPTH_MAX {
            return Known::anything();
        }
        let Some(seen) = self.look(path) else {
            return Known::anything();
        };
        match seen.shape {
            Shape::Struct { name, fields } => {
                self.named((seen.visitor, name, fields), path, |this, path| this.structure(path, name, fields))
            }
            Shape::Enum { name, variants } => {
                self.named((seen.visitor, name, variants), path, |this, path| this.enumeration(path, variants))
            }
            Shape::Newtype => {
                let identity = (seen.visitor, "", &[][..]);
                self.named(identity, path, |this, path| this.within(path, Step::Inner))
            }
            Shape::Option => self.option(path),
            Shape::Sequence => self.sequence(path),
            Shape::Tuple(len) => self.tuple(path, len, |list| list, path.len()),
            Shape::Map => self.map(path),
            _ => self.leaf(path, &seen),
        }
    }

    /// Explores a named type once, and refers to it from within itself.
    fn named(
        &mut self,
        identity: Identity,
        path: &mut Vec<Step>,
        explore: impl FnOnce(&mut Self, &mut Vec<Step>) -> Known,
    ) -> Known {
        if let Some(known) = self.done.get(&identity) {
            return known.clone();
        }
        if self.open.contains(&identity) {
            let name = self.def_name(identity);
            return Known::new(json!({ "$ref": format!("#/$defs/{name}") }), None);
        }
        self.open.push(identity);
        let mut known = explore(self, path);
        self.open.pop();
        if let Some(name) = self.recursive.get(&identity) {
            let reference = json!({ "$ref": format!("#/$defs/{name}") });
            let schema = std::mem::replace(&mut known.schema, reference);
            self.defs.insert(name.clone(), schema);
        }
        self.done.insert(identity, known.clone());
        known
    }

    /// The name in `$defs` of a type that contains itself.
    fn def_name(&mut self, identity: Identity) -> String {
        if let Some(name) = self.recursive.get(&identity) {
            return name.clone();
        }
        let taken: HashSet<&String> = self.recursive.values().collect();
        let base = if identity.1.is_empty() { "Inner" } else { identity.1 };
        let numbered = (2..).map(|number| format!("{base}{number}"));
        let name = std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken.contains(name));
        let name = name.unwrap_or_else(|| base.to_owned());
        self.recursive.insert(identity, name.clone());
        name
    }

    fn within(&mut self, path: &mut Vec<Step>, step: Step) -> Known {
        path.push(step);
        let known = self.explore(path);
        path.pop();
        known
    }

    fn option(&mut self, path: &mut Vec<Step>) -> Known {
        let inner = self.within(path, Step::Some);
        let sample = self.accepted(path, [Sample::Null].into_iter().chain(inner.sample));
        Known { schema: nullable(inner.schema), sample, optional: true }
    }

    fn sequence(&mut self, path: &mut Vec<Step>) -> Known {
        let item = self.within(path, Step::Item);
        let one = item.sample.map(|sample| Sample::List(vec![sample]));
        let sample = self.accepted(path, [Sample::List(Vec::new())].into_iter().chain(one));
        let mut schema = json!({ "type": "array", "items": item.schema });
        if matches!(&sample, Some(Sample::List(items)) if !items.is_empty()) {
            schema["minItems"] = json!(1);
        }
        Known::new(schema, sample)
    }

    /// A tuple, at `path` or as the payload of a variant there. The value whose samples are tried is the
    /// one `at` steps along the path, and `wrap` makes its sample from a list.
    fn tuple(&mut self, path: &mut Vec<Step>, len: usize, wrap: impl Fn(Sample) -> Sample, at: usize) -> Known {
        let mut schemas = Vec::new();
        let mut samples = Vec::new();
        let explored = if len > TUPLE_MAX { 1 } else { len };
        while schemas.len() < explored && samples.len() == schemas.len() {
            let item = self.within(path, Step::After(samples.clone()));
            schemas.push(item.schema);
            samples.extend(item.sample);
        }
        if len > TUPLE_MAX {
            samples = samples.first().map_or_else(Vec::new, |sample| vec![sample.clone(); len]);
        }
        let whole = (samples.len() == len).then(|| wrap(Sample::List(samples)));
        let sample = self.accepted(&path[..at], whole);
        let mut schema = json!({ "type": "array", "minItems": len, "maxItems": len });
        let uniform = len > TUPLE_MAX || (schemas.len() == len && schemas.iter().all(|each| each == &schemas[0]));
        if uniform && len > 0 {
            schema["items"] = schemas.swap_remove(0);
        } else if len > 0 {
            schemas.resize(len, json!({}));
            schema["prefixItems"] = Value::Array(schemas);
        }
        Known::new(schema, sample)
    }

    fn map(&mut self, path: &mut Vec<Step>) -> Known {
        path.push(Step::Key);
        let flattened = matches!(self.look(path), Some(Seen { shape: Shape::Identifier, .. }));
        let key = if flattened { Known::anything() } else { self.explore(path) };
        path.pop();
        let sample = self.accepted(path, [Sample::Map(Vec::new())]);
        if flattened {
            return Known::new(json!({ "type": "object" }), sample);
        }
        let value = match key.sample {
            Some(key) => self.within(path, Step::Under(key)),
            None => Known::anything(),
        };
        let mut schema = json!({ "type": "object", "additionalProperties": value.schema });
        if let Some(names) = property_names(&key.schema) {
            schema["propertyNames"] = names;
        }
        Known::new(schema, sample)
    }

    fn structure(&mut self, path: &mut Vec<Step>, name: &str, fields: &'static [&'static str]) -> Known {
        let at = path.len();
        let mut known = self.fields(path, fields, |map| map, at);
        if !name.is_empty() {
            known.schema["title"] = json!(name);
        }
        known
    }

    /// The fields of a struct, or of a struct variant: `wrap` and `at` as for a tuple.
    fn fields(
        &mut self,
        path: &mut Vec<Step>,
        fields: &'static [&'static str],
        wrap: impl Fn(Sample) -> Sample,
        at: usize,
    ) -> Known {
        let mut known: Vec<(&'static str, Known)> = Vec::new();
        for name in fields {
            let field = self.within(path, Step::Field(name));
            known.push((name, field));
        }
        let at = &path[..at];
        let feed = |this: &mut Self, entries: &[Entry]| this.feed(at, wrap(object(entries)));
        known.retain(|(name, field)| {
            let Some(sample) = &field.sample else {
                return true;
            };
            let entry = (*name, sample.clone());
            // Given twice, a field is refused under its proper name, which tells an alias.
            let twice = feed(self, &[entry.clone(), entry]);
            !matches!(twice, Err(Refusal::Duplicate(proper)) if proper != *name)
        });
        let entries: Vec<Entry> =
            known.iter().filter_map(|(name, field)| Some((*name, field.sample.clone()?))).collect();
        let order: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let mut required = Vec::new();
        for (place, (name, field)) in known.iter().enumerate() {
            let others: Vec<Entry> = entries.iter().filter(|entry| entry.0 != *name).cloned().collect();
            let needed = match feed(self, &others) {
                Ok(()) => false,
                // Fields are looked for in their order: one that is found missing later is not this one.
                Err(Refusal::Missing(missing)) if order.iter().skip(place + 1).any(|later| *later == missing) => false,
                Err(Refusal::Missing(missing)) if missing == *name => true,
                Err(_) => !field.optional,
            };
            if needed {
                required.push(*name);
            }
        }
        let needed: Vec<Entry> = entries.iter().filter(|entry| required.contains(&entry.0)).cloned().collect();
        let closed = feed(self, &[("\u{1}", Sample::Null)]) == Err(Refusal::Unknown);
        let sample = self.accepted(at, [wrap(object(&entries)), wrap(object(&needed))]);
        let properties: Map<String, Value> =
            known.into_iter().map(|(name, field)| (name.to_owned(), field.schema)).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if closed {
            schema["additionalProperties"] = json!(false);
        }
        Known::new(schema, sample)
    }

    fn enumeration(&mut self, path: &mut Vec<Step>, variants: &'static [&'static str]) -> Known {
        let mut units = Vec::new();
        let mut forms = Vec::new();
        let mut samples = Vec::new();
        for name in variants {
            path.push(Step::Variant(name));
            match self.look(path).map(|seen| seen.shape) {
                Some(Shape::Unit) => {
                    units.push(*name);
                    samples.push(Sample::Text(name));
                }
                Some(shape) => {
                    let payload = self.payload(path, name, &shape);
                    forms.push(json!({
                        "type": "object",
                        "properties": { *name: payload.schema },
                        "required": [name],
                        "additionalProperties": false,
                    }));
                    samples.extend(payload.sample);
                }
                None => {}
            }
            path.pop();
        }
        if !units.is_empty() {
            forms.insert(0, json!({ "type": "string", "enum": units }));
        }
        let schema = match forms.len() {
            0 => json!({}),
            1 => forms.remove(0),
            _ => json!({ "oneOf": forms }),
        };
        let sample = self.accepted(path, samples);
        Known::new(schema, sample)
    }

    /// What a variant carries; its sample is the whole variant. `path` ends with the variant.
    fn payload(&mut self, path: &mut Vec<Step>, name: &'static str, shape: &Shape) -> Known {
        let wrap = |payload| Sample::Variant(name, Box::new(payload));
        let at = path.len() - 1;
        match shape {
            Shape::Tuple(len) => self.tuple(path, *len, wrap, at),
            Shape::Struct { fields, .. } => self.fields(path, fields, wrap, at),
            _ => {
                let inner = self.within(path, Step::Inner);
                Known::new(inner.schema, inner.sample.map(wrap))
            }
        }
    }

    fn leaf(&mut self, path: &[Step], seen: &Seen) -> Known {
        match seen.shape {
            Shape::Bool => self.simple(path, json!({ "type": "boolean" }), [false, true].map(Sample::Bool)),
            Shape::Integer { signed, bits } => self.integer(path, signed, bits),
            Shape::Float => self.simple(path, json!({ "type": "number" }), [0.0, 1.0].map(Sample::Float)),
            Shape::Char => {
                let schema = json!({ "type": "string", "minLength": 1, "maxLength": 1 });
                self.simple(path, schema, [Sample::Text("a")])
            }
            Shape::Text | Shape::Identifier => self.text(path, &seen.expecting),
            Shape::Bytes => {
                let byte = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
                self.simple(path, json!({ "type": "array", "items": byte }), [Sample::Bytes])
            }
            Shape::Unit => self.simple(path, json!({ "type": "null" }), [Sample::Null]),
            _ => self.simple(path, json!({}), [Sample::Null, Sample::Map(Vec::new()), Sample::Text("")]),
        }
    }

    fn simple<const N: usize>(&mut self, path: &[Step], schema: Value, samples: [Sample; N]) -> Known {
        let sample = self.accepted(path, samples);
        Known::new(schema, sample)
    }

    fn integer(&mut self, path: &[Step], signed: bool, bits: u32) -> Known {
        let mut schema = json!({ "type": "integer" });
        if bits <= 32 {
            let values = 1_i64 << bits;
            schema["minimum"] = json!(if signed { -values / 2 } else { 0 });
            schema["maximum"] = json!(if signed { values / 2 - 1 } else { values - 1 });
        } else {
            schema["format"] = json!(format!("{}int{bits}", if signed { "" } else { "u" }));
            if !signed {
                schema["minimum"] = json!(0);
            }
        }
        let sample = self.accepted(path, [0, 1].map(Sample::Integer));
        if !signed && matches!(sample, Some(Sample::Integer(1))) {
            schema["minimum"] = json!(1);
        }
        Known::new(schema, sample)
    }

    fn text(&mut self, path: &[Step], expecting: &str) -> Known {
        let found = TEXTS.into_iter().find(|(text, _)| self.feed(path, Sample::Text(text)).is_ok());
        let mut schema = json!({ "type": "string" });
        match found {
            Some(("", _)) => {}
            Some((_, Some(format))) => schema["format"] = json!(format),
            _ => schema["minLength"] = json!(1),
        }
        let checks = !matches!(found, Some(("", _)));
        if checks && !matches!(expecting, "a string" | "a borrowed string") {
            schema["description"] = json!(expecting);
        }
        Known::new(schema, found.map(|(text, _)| Sample::Text(text)))
    }

    /// What the type asks for at a position.
    fn look(&mut self, path: &[Step]) -> Option<Seen> {
        let run = Run::noting();
        self.start(&run, path);
        run.into_seen()
    }

    /// What the type says of a sample at a position.
    fn feed(&mut self, path: &[Step], sample: Sample) -> Result<(), Refusal> {
        let run = Run::feeding(sample);
        self.start(&run, path);
        run.into_outcome()
    }

    /// The first of these samples that the type accepts at a position.
    fn accepted(&mut self, path: &[Step], samples: impl IntoIterator<Item = Sample>) -> Option<Sample> {
        samples.into_iter().find(|sample| self.feed(path, sample.clone()).is_ok())
    }

    fn start(&mut self, run: &Run, path: &[Step]) {
        if self.runs_left > 0 {
            self.runs_left -= 1;
            (self.run)(run, path);
        }
    }
}

type Entry = (&'static str, Sample);

fn object(entries: &[Entry]) -> Sample {
    Sample::Map(entries.iter().map(|(name, sample)| (Sample::Text(name), sample.clone())).collect())
}

/// A schema that also allows `null`.
fn nullable(mut schema: Value) -> Value {
    let plain = schema.get("enum").is_none() && schema.get("oneOf").is_none();
    match schema.get("type") {
        Some(Value::String(name)) if name == "null" => schema,
        Some(Value::String(name)) if plain => {
            schema["type"] = json!([name, "null"]);
            schema
        }
        Some(Value::Array(_)) => schema,
        None if schema == json!({}) => schema,
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// What the names of a map's entries have to look like, given the schema of its keys.
fn property_names(key: &Value) -> Option<Value> {
    match key.get("type")?.as_str()? {
        "integer" => Some(json!({ "pattern": "^-?[0-9]+$" })),
        "string" if key.as_object()?.len() > 1 => Some(key.clone()),
        _ => None,
    }
}
