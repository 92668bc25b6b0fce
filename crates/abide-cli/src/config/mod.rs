//! How a node is set up: `abide.toml`, then `ABIDE_…` in the environment, then flags.

mod environment;
mod file;
mod key;
mod limits;
mod security;
mod size;

use std::{path::PathBuf, time::Duration};

pub(crate) use key::{KEYS, Key};
pub(crate) use limits::Limits;
pub(crate) use security::Security;
pub(crate) use size::{format_size, parse_size};

use crate::failure::{Failure, Outcome};

/// The file that is read if no other is named.
pub(crate) const FILE: &str = "abide.toml";
/// The folder of the default store.
pub(crate) const DATA: &str = "data";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Where to listen, `host:port`.
    pub(crate) listen: String,
    /// The URL of the store.
    pub(crate) store: String,
    /// More names that callers may know the node by.
    pub(crate) hosts: Vec<String>,
    /// Origins whose pages may use the node.
    pub(crate) origins: Vec<String>,
    /// Who callers are, and what they may do.
    pub(crate) security: Security,
    /// What to log: `info`, or `warn,abide_node=debug`.
    pub(crate) log: String,
    /// How much of everything.
    pub(crate) limits: Limits,
}

/// What the flags say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The file to read instead of `abide.toml`.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`.
    pub(crate) listen: Option<String>,
    /// `--store`.
    pub(crate) store: Option<String>,
    /// `--data`: the folder of the default store.
    pub(crate) data: Option<PathBuf>,
    /// `--log`.
    pub(crate) log: Option<String>,
}

/// One value with where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    key: &'static Key,
    value: Value,
    origin: String,
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<String>),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".into(),
            store: store_in(DATA.as_ref()),
            hosts: Vec::new(),
            origins: Vec::new(),
            security: Security::default(),
            log: "info".into(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads all three sources; the later ones win.
    pub(crate) fn load(flags: &Flags, environment: impl Iterator<Item = (String, String)>) -> Outcome<Self> {
        let mut config = Self::default();
        let (settings, rules) = file::read(flags.config.as_deref())?;
        config.security.access = rules;
        for setting in settings {
            config.set(&setting)?;
        }
        for setting in environment::read(environment)? {
            config.set(&setting)?;
        }
        if let Some(data) = &flags.data {
            config.store = store_in(data);
        }
        for (path, value) in [("listen", &flags.listen), ("store", &flags.store), ("telemetry.log", &flags.log)] {
            if let (Some(value), Some(key)) = (value, Key::find(path)) {
                let origin = format!("the flag --{}", path.trim_start_matches("telemetry."));
                config.set(&Setting { key, value: Value::Text(value.clone()), origin })?;
            }
        }
        Ok(config)
    }

    fn set(&mut self, setting: &Setting) -> Outcome {
        if self.security.set(setting)? || self.limits.set(setting)? {
            return Ok(());
        }
        match setting.key.path {
            "listen" => self.listen = setting.text()?,
            "store" => self.store = setting.store()?,
            "hosts" => self.hosts = setting.list(),
            "origins" => self.origins = setting.list(),
            "telemetry.log" => self.log = setting.text()?,
            other => unreachable!("BUG: nothing is done with the key {other}"),
        }
        Ok(())
    }
}

impl Setting {
    fn text(&self) -> Outcome<String> {
        match &self.value {
            Value::Text(text) if !text.is_empty() => Ok(text.clone()),
            _ => Err(self.wrong("a text")),
        }
    }

    /// A URL, or several of databases that make one store.
    fn store(&self) -> Outcome<String> {
        match &self.value {
            Value::List(urls) if urls.len() > 1 => Ok(abide::store::join(urls)),
            Value::List(urls) => urls.first().cloned().ok_or_else(|| self.wrong("a URL, or a list of them")),
            Value::Text(_) => self.text(),
        }
    }

    fn list(&self) -> Vec<String> {
        match &self.value {
            Value::Text(text) => {
                text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
            }
            Value::List(list) => list.clone(),
        }
    }

    /// A number of bytes in a range.
    fn size_in(&self, least: usize, most: usize) -> Outcome<usize> {
        let size = parse_size(&self.text()?).filter(|size| (least..=most).contains(size));
        let shown = |bytes: usize| format_size(bytes as u64);
        size.ok_or_else(|| {
            self.wrong(&format!("a size such as 512KiB, 1MiB or 2GiB, from {} to {}", shown(least), shown(most)))
        })
    }

    /// A whole number in a range.
    fn count_in(&self, least: usize, most: usize) -> Outcome<usize> {
        let text = self.text()?;
        let number = text.replace('_', "").parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.wrong(&format!("a whole number from {least} to {most}")))
    }

    /// A time in a range.
    fn duration_in(&self, least: Duration, most: Duration) -> Outcome<Duration> {
        let time = self.duration()?;
        let shown = abide::duration::format_duration;
        match (least..=most).contains(&time) {
            true => Ok(time),
            false => Err(self.wrong(&format!("a duration from {} to {}", shown(least), shown(most)))),
        }
    }

    fn flag(&self) -> Outcome<bool> {
        match self.text()?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn duration(&self) -> Outcome<Duration> {
        abide::duration::parse_duration(&self.text()?).map_err(|error| self.wrong(&format!("a duration: {error}")))
    }

    fn wrong(&self, expected: &str) -> Failure {
        let Self { key, value, origin } = self;
        let shown = match value {
            Value::Text(text) => format!("{text:?}"),
            Value::List(list) => format!("{list:?}"),
        };
        Failure::usage(format!("{origin}: {} cannot be {shown}", key.path)).hint(format!("it is {expected}"))
    }
}

/// The URL of the default store in a folder.
fn store_in(folder: &std::path::Path) -> String {
    format!("sqlite:{}", folder.join("abide.db").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], flags: Flags) -> Outcome<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abide.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(&Flags { config: Some(path), ..flags }, environment)
    }

    fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
        let failure = load(file, environment, Flags::default()).unwrap_err();
        assert_eq!(failure.exit(), 2);
        format!("{failure} {}", failure.advice().unwrap_or_default())
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nstore = \"memory:\"\n[telemetry]\nlog = \"warn\"";
        let environment = [("ABIDE_LISTEN", "127.0.0.1:2"), ("ABIDE_TELEMETRY_LOG", "debug")];
        let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
        let config = load(file, &environment, flags).unwrap();
        assert_eq!((config.listen.as_str(), config.log.as_str()), ("127.0.0.1:3", "debug"));
        assert_eq!(config.store, "memory:");
    }

    #[test]
    fn several_databases_are_one_store() {
        let stores = |file: &str| load(file, &[], Flags::default()).map(|config| config.store);
        assert_eq!(
            stores(r#"store = ["postgres://a/db", "postgres://b/db"]"#).unwrap(),
            "shards:postgres://a/db|postgres://b/db"
        );
        assert_eq!(stores(r#"store = ["memory:"]"#).unwrap(), "memory:");
        assert!(refusal("store = []", &[]).contains("a list of them"));
    }

    #[test]
    fn a_data_folder_is_short_for_the_store_in_it() {
        let flags = Flags { data: Some("elsewhere".into()), ..Flags::default() };
        let config = load("store = \"memory:\"", &[], flags).unwrap();
        assert_eq!(config.store, "sqlite:elsewhere/abide.db");
    }

    #[test]
    fn every_key_can_be_set_in_the_file_and_in_the_environment() {
        for key in KEYS {
            let value = key.example;
            let (section, name) = key.path.split_once('.').unwrap_or(("", key.path));
            let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
            load(&format!("{head}{name} = {value}"), &[], Flags::default()).unwrap();
            let bare = value.trim_matches(['[', ']']).replace('"', "");
            load("", &[(&key.variable(), &bare)], Flags::default()).unwrap();
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
        let sentence = refusal("\nlistn = \"127.0.0.1:1\"", &[]);
        assert!(sentence.contains("line 2") && sentence.contains("`listen`"), "{sentence}");
        let sentence = refusal("[limits]\n\nbdy = \"1MiB\"", &[]);
        assert!(sentence.contains("line 3") && sentence.contains("`limits.body`"), "{sentence}");
        let sentence = refusal("[limit]\nbody = \"1MiB\"", &[]);
        assert!(sentence.contains("line 1") && sentence.contains("`limits`"), "{sentence}");
        let sentence = refusal("", &[("ABIDE_LISTN", "x")]);
        assert!(sentence.contains("ABIDE_LISTEN"), "{sentence}");
    }

    #[test]
    fn keys_of_later_versions_get_a_sentence_of_their_own() {
        for (file, word) in
            [("[cluster]\nname = \"prod\"", "[cluster]"), ("[telemetry]\notlp = \"http://x\"", "telemetry.otlp")]
        {
            let sentence = refusal(file, &[]);
            assert!(sentence.contains(word) && sentence.contains("later version"), "{sentence}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_form_is_refused_with_the_right_one() {
        for (file, word) in [
            ("listen = 7070", "listen"),
            ("[limits]\nbody = \"big\"", "1MiB"),
            ("[limits]\nmailbox = 0", "from 1"),
            ("[limits]\ndrain = \"soon\"", "duration"),
            ("limits = 3", "section"),
            ("listen = ", "line 1"),
        ] {
            let sentence = refusal(file, &[]);
            assert!(sentence.contains(word), "{file}: {sentence}");
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let flags = Flags { config: Some("no/such/file.toml".into()), ..Flags::default() };
        assert_eq!(Config::load(&flags, std::iter::empty()).unwrap_err().exit(), 2);
    }
}
