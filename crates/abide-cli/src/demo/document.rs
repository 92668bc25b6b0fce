//! Any JSON object, durable and watchable field by field.

use abide::{Encoder, prelude::*};
use serde::de::MapAccess;
use serde_json::{Map, Value};

/// How many fields a document may have.
pub const FIELDS_MAX: usize = 1000;

/// A document: fields of any name and value.
///
/// Its state is written by hand instead of derived, because the fields are not known when the
/// program is compiled. A watcher still sees just the fields that changed.
#[derive(Debug, Default)]
pub struct Document {
    fields: Map<String, Value>,
}

impl State for Document {
    fn encode(&self, out: &mut Encoder) -> Result<(), serde_json::Error> {
        self.fields.iter().try_for_each(|(name, value)| out.field(name, value))
    }

    fn decode_field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        self.fields.insert(name.into(), map.next_value()?);
        Ok(true)
    }
}

/// A JSON object that survives crashes and can be watched field by field, without a type of its own.
#[object(history = 1000)]
impl Document {
    /// Sets these fields and leaves the others as they are.
    #[handler]
    pub fn set(&mut self, fields: Map<String, Value>) -> Result<()> {
        self.fields.extend(fields);
        self.check_size()
    }

    /// Applies a JSON Merge Patch (RFC 7396): objects are merged into one another, `null` removes.
    #[handler]
    pub fn patch(&mut self, patch: Map<String, Value>) -> Result<()> {
        merge(&mut self.fields, patch);
        self.check_size()
    }

    /// Removes these fields; names that are not there are fine.
    #[handler]
    pub fn remove(&mut self, names: Vec<String>) {
        for name in names {
            self.fields.shift_remove(&name);
        }
    }

    /// The whole document, or just the fields that are named.
    #[handler]
    pub fn get(&self, names: Option<Vec<String>>) -> Map<String, Value> {
        let Some(names) = names else {
            return self.fields.clone();
        };
        let fields = names.into_iter().filter_map(|name| self.fields.get_key_value(&name));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn check_size(&self) -> Result<()> {
        match self.fields.len() {
            ..=FIELDS_MAX => Ok(()),
            many => Err(Error::rejected(format!(
                "a document has at most {FIELDS_MAX} fields, this one would have {many}; nothing was changed"
            ))),
        }
    }
}

fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (value, target.get_mut(&name)) {
            (Value::Null, _) => drop(target.shift_remove(&name)),
            (Value::Object(patch), Some(Value::Object(target))) => merge(target, patch),
            (Value::Object(patch), _) => {
                let mut fresh = Map::new();
                merge(&mut fresh, patch);
                target.insert(name, Value::Object(fresh));
            }
            (value, _) => drop(target.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn running() -> Result<Abide> {
        Abide::open("memory:").register::<Document>().start().await
    }

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_watcher_sees_just_the_fields_that_changed() -> Result<()> {
        let abide = running().await?;
        let readme = abide.object::<Document>("readme");
        readme.set(fields(&json!({"title": "Abide", "stars": 1}))).await?;
        let mut changes = readme.changes(After::Now).await?;
        readme.set(fields(&json!({"title": "Abide", "stars": 2}))).await?;
        readme.remove(vec!["title".into(), "no such field".into()]).await?;
        let first = changes.next().await.expect("a change")?.change().expect("no reset");
        assert_eq!(first.patch, fields(&json!({"stars": 2})));
        let second = changes.next().await.expect("a change")?.change().expect("no reset");
        assert_eq!(second.removed, ["title"]);
        assert_eq!(readme.get(None).await?, fields(&json!({"stars": 2})));
        Ok(())
    }

    #[tokio::test]
    async fn a_document_comes_back_from_the_store_as_it_was() -> Result<()> {
        let abide = running().await?;
        let odd = abide.object::<Document>("odd");
        let all = fields(&json!({"": 0, "a\"b": [1, {"c": null}], "🦀": 1.5, "patch": {}}));
        odd.set(all.clone()).await?;
        abide.evict_idle();
        assert_eq!(odd.get(None).await?, all);
        assert_eq!(odd.get(Some(vec!["🦀".into(), "x".into()])).await?, fields(&json!({"🦀": 1.5})));
        Ok(())
    }

    #[tokio::test]
    async fn a_document_that_grows_too_large_is_refused_and_stays() -> Result<()> {
        let abide = running().await?;
        let full = abide.object::<Document>("full");
        let many = (0..=FIELDS_MAX).map(|n| (n.to_string(), json!(n))).collect();
        assert!(full.set(many).await.is_err());
        assert!(full.get(None).await?.is_empty());
        Ok(())
    }

    #[test]
    fn a_merge_patch_does_what_its_rfc_shows() {
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = fields(&before);
            merge(&mut merged, fields(&patch));
            assert_eq!(Value::Object(merged), after);
        }
    }
}
