use crate::failure::Failure;

/// A key of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its path in the file, for example `limits.body`.
    pub(crate) path: &'static str,
    /// What it sets.
    pub(crate) about: &'static str,
    /// A value, as it is written in the file.
    pub(crate) example: &'static str,
    /// Whether its value is a text and no number.
    pub(crate) quoted: bool,
}

/// Every key of this version.
pub(crate) const KEYS: &[Key] = &[
    Key::new("listen", "where to listen", r#""127.0.0.1:7070""#),
    Key::new(
        "store",
        "the store: sqlite:, postgres://, redis:// or memory:; a list of URLs is one store in several databases",
        r#""sqlite:data/abide.db""#,
    ),
    Key::new("hosts", "more names that callers may know the node by", r#"["abide.test"]"#),
    Key::new("limits.body", "the longest body of a request", r#""1MiB""#),
    Key::new("limits.decompressed", "the longest body once it is decompressed", r#""4MiB""#),
    Key::new("limits.connections", "connections served at a time", "16384"),
    Key::new("limits.mailbox", "calls that may wait for one object", "10000"),
    Key::new("limits.objects", "objects in memory", "10000000"),
    Key::new("limits.memory", "memory for objects", r#""4GiB""#),
    Key::new("limits.call_timeout", "how long a call waits unless it says otherwise", r#""30s""#),
    Key::new("limits.drain", "how long a shutdown waits for what is under way", r#""10s""#),
    Key::new("telemetry.log", "what to log", r#""info""#),
];

/// Keys that this version does not have, and what that means.
const LATER: [(&str, &str); 6] = [
    ("cluster", "this one runs one node; remove the section"),
    ("auth", "this one listens on this machine only; remove the section"),
    ("access", "this one listens on this machine only; remove the section"),
    ("tls", "this one listens on this machine only, without TLS; remove the section"),
    ("limits.rate", "this one has no rate limit; remove the key"),
    ("telemetry.otlp", "this one has /metrics and logs; remove the key"),
];

impl Key {
    const fn new(path: &'static str, about: &'static str, example: &'static str) -> Self {
        Self { path, about, example, quoted: matches!(example.as_bytes()[0], b'"') }
    }

    /// The key at this path.
    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// Its name in the environment, for example `ABIDE_LIMITS_BODY`.
    pub(crate) fn variable(&self) -> String {
        format!("ABIDE_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// The sections there are.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let mut sections: Vec<_> = KEYS.iter().filter_map(|key| Some(key.path.split_once('.')?.0)).collect();
    sections.dedup();
    sections.into_iter()
}

/// Why a path is no key: it is of a later version, or unknown.
pub(super) fn refuse(origin: &str, path: &str, known: impl Iterator<Item = String>) -> Failure {
    if let Some((later, advice)) = LATER.iter().find(|(later, _)| *later == path) {
        let shown = if later.contains('.') { (*later).to_owned() } else { format!("[{later}]") };
        return Failure::usage(format!("{origin}: {shown} belongs to a later version: {advice}"));
    }
    let known: Vec<String> = known.collect();
    let failure = Failure::usage(format!("{origin}: `{path}` is not a key"));
    let distance = |name: &String| strsim::damerau_levenshtein(name, path);
    match known.iter().min_by_key(|name| distance(name)) {
        Some(nearest) if distance(nearest) <= 2.max(nearest.len() / 3) => {
            failure.hint(format!("did you mean `{nearest}`?"))
        }
        _ => failure.hint(format!("there are: {}", known.join(", "))),
    }
}
