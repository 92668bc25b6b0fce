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

/// The list of access rules, which is no key: it has tables of its own.
pub(super) const ACCESS: &str = "access";

/// Every key of this version.
pub(crate) const KEYS: &[Key] = &[
    Key::new("listen", "where to listen", r#""127.0.0.1:7070""#),
    Key::new(
        "store",
        "the store: sqlite:, postgres://, redis:// or memory:; a list of URLs is one store in several databases",
        r#""sqlite:data/abide.db""#,
    ),
    Key::new("hosts", "more names that callers may know the node by", r#"["abide.test"]"#),
    Key::new("origins", "origins whose web pages may use the node", r#"["https://app.example"]"#),
    Key::new("auth.jwt.jwks", "the file with the keys that sign tokens, a JSON Web Key Set", r#""keys.json""#),
    Key::new("auth.jwt.audience", "whom tokens are meant for", r#""abide""#),
    Key::new("auth.jwt.issuer", "who tokens come from", r#"["https://login.example"]"#),
    Key::new("auth.jwt.leeway", "by how much clocks may differ", r#""30s""#),
    Key::new("auth.jwt.roles_claim", "the claim with the caller's roles", r#""roles""#),
    Key::new("auth.jwt.namespace_claim", "the claim with the caller's tenant", r#""namespace""#),
    Key::new("auth.jwt.revoked", "the file with the jti of each token that is taken back", r#""revoked.txt""#),
    Key::new("auth.keys", "the file with the hashes of API keys", r#""keys.toml""#),
    Key::new("auth.anonymous", "whether callers without a token are let in", "true"),
    Key::new("auth.anonymous_roles", "the roles of callers without a token", r#"["guest"]"#),
    Key::new("auth.tenant_roles", "roles that may name any tenant", r#"["operator"]"#),
    Key::new("audit.file", "the file to which administrative acts are appended", r#""audit.jsonl""#),
    Key::new("audit.size", "how large that file may grow before a new one begins", r#""64MiB""#),
    Key::new("audit.kept", "how many older ones are kept", "8"),
    Key::new("tls.cert", "the file with the certificate, as PEM", r#""server.pem""#),
    Key::new("tls.key", "the file with the certificate's private key, as PEM", r#""server-key.pem""#),
    Key::new("tls.client_ca", "the file with who vouches for callers' certificates, as PEM", r#""clients.pem""#),
    Key::new("tls.client_cert", "whether callers have to show a certificate: required or optional", r#""required""#),
    Key::new("limits.rate.per_principal", "how much each caller may ask", r#""200/s""#),
    Key::new("limits.rate.per_address", "how much each address may ask", r#""500/s""#),
    Key::new("limits.rate.burst", "how much of that at once", "400"),
    Key::new("limits.body", "the longest body of a request", r#""1MiB""#),
    Key::new("limits.decompressed", "the longest body once it is decompressed", r#""4MiB""#),
    Key::new("limits.json_depth", "how deep the JSON of a body may nest", "100"),
    Key::new("limits.body_timeout", "how long a body may take to arrive", r#""30s""#),
    Key::new("limits.header", "the longest head of a request", r#""64KiB""#),
    Key::new("limits.headers", "headers of a request", "100"),
    Key::new("limits.request_timeout", "how long a request that is no call may take", r#""1m""#),
    Key::new("limits.connections", "connections served at a time", "16384"),
    Key::new("limits.connections_per_address", "connections of one address at a time", "4096"),
    Key::new("limits.streams_per_connection", "requests of one HTTP/2 connection at a time", "256"),
    Key::new("limits.keep_alive", "how long a connection may be idle", r#""75s""#),
    Key::new("limits.page_items", "items of a page", "1000"),
    Key::new("limits.page_bytes", "about how long a page may be", r#""4MiB""#),
    Key::new("limits.heartbeat", "how long a stream is silent at most", r#""15s""#),
    Key::new("limits.frame", "the longest frame", r#""1MiB""#),
    Key::new("limits.calls_per_connection", "calls of one connection of frames that wait", "256"),
    Key::new("limits.watches_per_connection", "objects that one connection of frames watches", "10000"),
    Key::new("limits.hello_timeout", "how long the first frame may take", r#""10s""#),
    Key::new("limits.write_timeout", "how long a client may take nothing of what it is sent", r#""20s""#),
    Key::new("limits.session_grace", "how long a client that was lost is waited for", r#""30s""#),
    Key::new("limits.sessions", "clients, with those that are waited for", "32768"),
    Key::new("limits.call_timeout", "how long a call waits unless it says otherwise", r#""30s""#),
    Key::new("limits.call_timeout_max", "the longest that a call may say", r#""1h""#),
    Key::new("limits.mailbox", "calls that may wait for one object", "10000"),
    Key::new("limits.objects", "objects in memory", "10000000"),
    Key::new("limits.memory", "memory for objects", r#""4GiB""#),
    Key::new(
        "limits.drain_delay",
        "how long a shutdown still takes calls while it says that it is not ready",
        r#""0s""#,
    ),
    Key::new("limits.drain", "how long a shutdown waits for what is under way", r#""10s""#),
    Key::new("telemetry.log", "what to log", r#""info""#),
];

/// Keys that this version does not have, and what that means.
const LATER: [(&str, &str); 2] = [
    ("cluster", "this one runs one node; remove the section"),
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

/// The sections there are, and `[[access]]`.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let mut sections: Vec<_> = KEYS.iter().filter_map(|key| Some(key.path.split_once('.')?.0)).collect();
    sections.push(ACCESS);
    sections.sort_unstable();
    sections.dedup();
    sections.into_iter()
}

/// Whether keys begin with this path.
pub(super) fn is_table(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
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
