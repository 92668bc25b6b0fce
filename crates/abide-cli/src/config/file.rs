use std::{fs, io::ErrorKind, path::Path};

use abide::server::{Access, Rule};
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{FILE, KEYS, Key, Setting, Value, key};
use crate::failure::{Failure, Outcome};

/// What the file says; nothing if it was not named and is not there.
pub(super) fn read(named: Option<&Path>) -> Outcome<(Vec<Setting>, Vec<Rule>)> {
    let path = named.unwrap_or(Path::new(FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(Default::default()),
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
    Ok((settings, file.rules()?))
}

/// The part of the file that is read as a whole.
#[derive(Deserialize)]
struct Rules {
    #[serde(default)]
    access: Vec<Spanned<Rule>>,
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
        if name == key::ACCESS {
            return match value {
                DeValue::Array(_) => Ok(()),
                _ => Err(Failure::usage(format!("{origin}: `access` is a list of rules: write [[access]]"))),
            };
        }
        let DeValue::Table(table) = value else {
            return Err(Failure::usage(format!("{origin}: `{name}` is a section: write [{name}] and keys below it")));
        };
        self.section(name, table, settings)
    }

    fn section(&self, outer: &str, table: &DeTable<'_>, settings: &mut Vec<Setting>) -> Outcome {
        for (inner, value) in table {
            let (path, origin) = (format!("{outer}.{}", inner.get_ref()), self.origin(inner.span().start));
            match (Key::find(&path), value.get_ref()) {
                (Some(key), value) => settings.push(setting(key, value, origin)?),
                (None, DeValue::Table(table)) if key::is_table(&path) => self.section(&path, table, settings)?,
                (None, _) if key::is_table(&path) => {
                    return Err(Failure::usage(format!("{origin}: `{path}` is a table: write {path} = {{ … }}")));
                }
                (None, _) => return Err(key::refuse(&origin, &path, KEYS.iter().map(|key| key.path.to_owned()))),
            }
        }
        Ok(())
    }

    /// The access rules, each of which has to mean something.
    fn rules(&self) -> Outcome<Vec<Rule>> {
        let Rules { access } = toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Failure::usage(format!("{}: an access rule cannot be read: {}", self.origin(at), error.message()))
        })?;
        let starts: Vec<usize> = access.iter().map(|rule| rule.span().start).collect();
        let rules: Vec<Rule> = access.into_iter().map(Spanned::into_inner).collect();
        match Access::new(&rules) {
            Ok(_) => Ok(rules),
            Err(error) => {
                let at = starts.get(error.number - 1).copied().unwrap_or_default();
                Err(Failure::usage(format!("{}: {error}", self.origin(at))))
            }
        }
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
        DeValue::Boolean(flag) if !key.quoted => Value::Text(flag.to_string()),
        DeValue::Array(list) => {
            let texts = list.iter().map(|element| element.get_ref().as_str().map(str::to_owned));
            Value::List(texts.collect::<Option<_>>().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    Ok(Setting { key, value, origin })
}
