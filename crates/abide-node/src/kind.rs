//! The kinds a node knows.

use std::sync::Arc;

use abide_core::{
    Error, Json, Kind, Unknown,
    error::Code,
    filter::Path,
    port::store::{FieldForm, KindIndexes},
    state::{decode, decode_migrated},
};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use crate::{
    job::{AnyObject, HandlerInfo, guarded},
    metrics::HandlerMetrics,
    object::{Access, Durability, Hook, Migrate, Object, Options, Parameter},
};

type Decode = fn(&str) -> Result<(Arc<dyn AnyObject>, Unknown), serde_json::Error>;

/// A registered kind, without its type.
pub(crate) struct KindEntry {
    pub(crate) name: Kind,
    pub(crate) options: Options,
    pub(crate) description: &'static str,
    pub(crate) handlers: FxHashMap<&'static str, HandlerInfo>,
    pub(crate) order: Vec<&'static str>,
    pub(crate) alarms: FxHashMap<&'static str, HandlerInfo>,
    hooks: Vec<(Hook, HandlerInfo)>,
    migrate: Option<Migrate>,
    create: fn() -> Arc<dyn AnyObject>,
    decode: Decode,
    decode_migrated: Decode,
    schema: fn() -> Value,
    /// What the strings of its fields stand for, where foreign programs write them.
    pub(crate) forms: FxHashMap<String, FieldForm>,
    indexes: Vec<Path>,
}

impl KindEntry {
    pub(crate) fn of<O: Object>() -> Result<Self, Error> {
        let definition = O::definition();
        let name = Kind::new(O::KIND)?;
        let metered = |mut info: HandlerInfo| {
            info.metrics = Some(Arc::new(HandlerMetrics::new(O::KIND, info.name)));
            (info.name, info)
        };
        Ok(Self {
            options: definition.options,
            description: definition.description,
            order: definition.handlers.iter().map(|info| info.name).collect(),
            handlers: definition.handlers.into_iter().map(metered).collect(),
            alarms: definition.alarms.into_iter().map(metered).collect(),
            hooks: definition.hooks,
            migrate: definition.migrate,
            create: || Arc::new(O::default()),
            decode: |text| decode::<O>(text).map(|(object, unknown)| (Arc::new(object) as _, unknown)),
            decode_migrated: |text| {
                decode_migrated::<O>(text).map(|(object, unknown)| (Arc::new(object) as _, unknown))
            },
            schema: O::schema,
            forms: forms(&O::schema()),
            indexes: indexes::<O>()?,
            name,
        })
    }

    pub(crate) fn handler(&self, name: &str) -> Result<&HandlerInfo, Error> {
        self.handlers.get(name).ok_or_else(|| {
            let hint = nearest(name, self.order.iter().copied());
            Error::new(
                Code::UnknownHandler,
                format!("kind {} has no handler {name:?}{hint}; nothing was changed", self.name),
            )
        })
    }

    pub(crate) fn hook(&self, hook: Hook) -> Option<&HandlerInfo> {
        self.hooks.iter().find(|(h, _)| *h == hook).map(|(_, info)| info)
    }

    /// Everything of it that runs in turns: handlers, alarms, hooks.
    pub(crate) fn handler_names(&self) -> impl Iterator<Item = &'static str> {
        let hooks = self.hooks.iter().map(|(_, info)| info.name);
        self.handlers.keys().chain(self.alarms.keys()).copied().chain(hooks)
    }

    pub(crate) fn create(&self) -> Result<Arc<dyn AnyObject>, Error> {
        guarded(|| format!("making a new {}", self.name), || Ok((self.create)()))
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.options.durability != Durability::Volatile
    }

    /// Decodes a stored state, migrating it first if an older version wrote it.
    pub(crate) fn decode(&self, state: &Json, version: u32) -> Result<(Arc<dyn AnyObject>, Unknown), Error> {
        guarded(|| format!("reading the state of a {}", self.name), || self.decode_unguarded(state, version))
    }

    fn decode_unguarded(&self, state: &Json, version: u32) -> Result<(Arc<dyn AnyObject>, Unknown), Error> {
        let unreadable = |e: serde_json::Error| {
            Error::internal(format!(
                "the stored state does not fit kind {}: {e}; nothing was changed; give the kind a `migrate` function",
                self.name
            ))
        };
        if version > self.options.version {
            return Err(Error::internal(format!(
                "the stored state has version {version}, kind {} here has version {}; nothing was changed; run the newer program",
                self.name, self.options.version
            )));
        }
        match self.migrate {
            Some(migrate) if version < self.options.version => {
                let mut fields: Map<String, Value> = state.decode().map_err(unreadable)?;
                migrate(version, &mut fields)?;
                (self.decode_migrated)(&Value::Object(fields).to_string()).map_err(unreadable)
            }
            _ => (self.decode)(state.as_str()).map_err(unreadable),
        }
    }

    /// The fields by which its objects are found.
    pub(crate) fn indexes(&self) -> KindIndexes {
        KindIndexes { kind: self.name.clone(), paths: self.indexes.clone() }
    }

    /// What `GET /v1/kinds` and `abide kinds` show.
    pub(crate) fn describe(&self) -> KindDescription {
        let handlers = self.order.iter().filter_map(|name| self.handlers.get(name));
        KindDescription {
            kind: self.name.clone(),
            description: self.description,
            state: state_schema((self.schema)()),
            handlers: handlers.map(HandlerDescription::of).collect(),
            alarms: self.alarms.values().map(HandlerDescription::of).collect(),
            indexes: self.indexes.clone(),
            options: self.options.clone(),
        }
    }
}

/// What each field holds, by the state's schema.
fn forms(schema: &Value) -> FxHashMap<String, FieldForm> {
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(field, schema)| Some((field.clone(), FieldForm::of_schema(schema)?))).collect()
}

fn indexes<O: Object>() -> Result<Vec<Path>, Error> {
    let path = |text: &&str| {
        let no_path =
            |e| Error::bad_request(format!("kind {} has an index over {text:?}, which is no field: {e}", O::KIND));
        Path::parse(text).map_err(no_path)
    };
    O::indexes().iter().map(path).collect()
}

/// A kind, as people and clients see it.
#[derive(Clone, Debug)]
pub struct KindDescription {
    /// Its name.
    pub kind: Kind,
    /// What it is.
    pub description: &'static str,
    /// The JSON Schema of its state.
    pub state: Value,
    /// What callers can call, in order.
    pub handlers: Vec<HandlerDescription>,
    /// What its alarms run.
    pub alarms: Vec<HandlerDescription>,
    /// The fields by which its objects are found and listed fast.
    pub indexes: Vec<Path>,
    /// Its options.
    pub options: Options,
}

/// A handler, as people and clients see it.
#[derive(Clone, Debug)]
pub struct HandlerDescription {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Whether it only reads.
    pub reads: bool,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The JSON Schema of what it returns.
    pub output: Value,
}

impl HandlerDescription {
    fn of(info: &HandlerInfo) -> Self {
        Self {
            name: info.name,
            description: info.description,
            reads: info.access == Access::Shared,
            parameters: (info.parameters)(),
            output: (info.output)(),
        }
    }

    /// The JSON Schema of its arguments as an object.
    pub fn arguments(&self) -> Value {
        let property = |parameter: &Parameter| {
            let mut schema = parameter.schema.clone();
            lead_references(&mut schema, &property_root(parameter.name));
            (parameter.name.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.parameters.iter().map(property).collect();
        let required: Vec<&str> = self.parameters.iter().filter(|p| !p.optional).map(|p| p.name).collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }
}

/// The schema of a state, whose fields were described each by itself.
fn state_schema(mut schema: Value) -> Value {
    if schema.get("$defs").is_none()
        && let Some(Value::Object(properties)) = schema.get_mut("properties")
    {
        for (name, property) in properties {
            lead_references(property, &property_root(name));
        }
    }
    schema
}

/// Where the schema of a property is, as a reference.
fn property_root(name: &str) -> String {
    format!("#/properties/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Makes a JSON Schema part of a larger document: its references lead to its own root, which from now on
/// is at `root` (`#/properties/amount`).
pub fn lead_references(schema: &mut Value, root: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("$ref", Value::String(to)) if to.starts_with('#') => *to = format!("{root}{}", &to[1..]),
                    (_, value) => lead_references(value, root),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead_references(item, root)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// ` (did you mean "increment"?)` if one of `names` is near, or what there is.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let best = names.iter().min_by_key(|candidate| distance(name, candidate));
    match best {
        Some(best) if distance(name, best) <= 2.max(best.len() / 3) => {
            format!(" (did you mean {best:?}?)")
        }
        _ if names.is_empty() => String::new(),
        _ => format!(" (there are: {})", names.join(", ")),
    }
}

/// Levenshtein distance over the first 64 characters, letter case ignored.
fn distance(a: &str, b: &str) -> usize {
    let letters = |s: &str| s.chars().take(64).map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// All kinds of a node.
#[derive(Default)]
pub(crate) struct Kinds(FxHashMap<Kind, Arc<KindEntry>>);

impl Kinds {
    pub(crate) fn add(&mut self, entry: KindEntry) -> Result<(), Error> {
        if self.0.contains_key(&entry.name) {
            return Err(Error::bad_request(format!("kind {} is registered twice", entry.name)));
        }
        self.0.insert(entry.name.clone(), Arc::new(entry));
        Ok(())
    }

    pub(crate) fn find(&self, kind: &Kind) -> Result<&Arc<KindEntry>, Error> {
        self.0.get(kind).ok_or_else(|| {
            let hint = nearest(kind.as_str(), self.0.keys().map(Kind::as_str));
            Error::new(Code::UnknownKind, format!("this node has no kind {kind}{hint}; nothing was changed"))
        })
    }

    /// The registered name, or a fresh one that is then found unknown.
    pub(crate) fn name(&self, kind: &str) -> Result<Kind, Error> {
        match self.0.get(kind) {
            Some(entry) => Ok(entry.name.clone()),
            None => Ok(Kind::new(kind)?),
        }
    }

    pub(crate) fn all(&self) -> Vec<&Arc<KindEntry>> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
