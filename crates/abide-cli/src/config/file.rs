use std::{fs, io::ErrorKind, path::Path};

use toml::de::{DeTable, DeValue};

use super::{FILE, KEYS, Key, Setting, Value, key};
use crate::failure::{Failure, Outcome};

/// The settings in the file; none if it was not named and is not there.
pub(super) fn read(named: Option<&Path>) -> Outcome<Vec<Setting>> {
    let path = named.unwrap_or(Path::new(FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(Vec::new()),
        Err(error) => return Err(Failure::usage(format!("{} cannot be read: {error}", path.display()))),
    };
    let file = File { name: path.display().to_string(), text: &text };
    let table = DeTable::parse(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Failure::usage(format!("{}: {}", file.origin(at), error.message()))
    })?;
    let mut settings = Vec::new();
    for (name, value) in table.get_ref() {
        file.top(&name.span(), name.get_ref(), value.get_ref(), &mut settings)?;
    }
    Ok(settings)
}

struct File<'a> {
    name: String,
    text: &'a str,
}

impl File<'_> {
    /// `abide.toml, line 3`.
    fn origin(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        format!("{}, line {}", self.name, before.matches('\n').count() + 1)
    }

    fn top(
        &self,
        span: &std::ops::Range<usize>,
        name: &str,
        value: &DeValue<'_>,
        settings: &mut Vec<Setting>,
    ) -> Outcome {
        let origin = self.origin(span.start);
        if let Some(key) = Key::find(name) {
            settings.push(setting(key, value, origin)?);
            return Ok(());
        }
        if !key::sections().any(|section| section == name) {
            let alone = KEYS.iter().map(|key| key.path).filter(|path| !path.contains('.'));
            return Err(key::refuse(&origin, name, alone.chain(key::sections()).map(str::to_owned)));
        }
        let DeValue::Table(table) = value else {
            return Err(Failure::usage(format!("{origin}: `{name}` is a section: write [{name}] and keys below it")));
        };
        for (inner, value) in table {
            let (path, origin) = (format!("{name}.{}", inner.get_ref()), self.origin(inner.span().start));
            match Key::find(&path) {
                Some(key) => settings.push(setting(key, value.get_ref(), origin)?),
                None => return Err(key::refuse(&origin, &path, KEYS.iter().map(|key| key.path.to_owned()))),
            }
        }
        Ok(())
    }
}

fn setting(key: &'static Key, value: &DeValue<'_>, origin: String) -> Outcome<Setting> {
    let wrong = || {
        Failure::usage(format!("{origin}: {} is {}", key.path, key.about))
            .hint(format!("write {} = {}", key.path, key.example))
    };
    let value = match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) if !key.quoted => Value::Text(number.to_string()),
        DeValue::Array(list) => {
            let texts = list.iter().map(|element| element.get_ref().as_str().map(str::to_owned));
            Value::List(texts.collect::<Option<_>>().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    Ok(Setting { key, value, origin })
}
