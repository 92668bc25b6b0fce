use std::{path::PathBuf, time::Duration};

use tokio_postgres::config::{Config, Host, SslMode};

use crate::error::OpenError;

/// The schema that a URL without `schema=` means.
const SCHEMA: &str = "abide";

/// How a store in PostgreSQL is opened. What the URL says goes before.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// How many shards a new store has; for one that is there, what it must have. `None` takes what is
    /// there. In a URL: `shards=`.
    pub shards: Option<u32>,
    /// Whether tables are made where there are none.
    pub create: bool,
    /// Connections for reads of single objects; one more reads what may be much, and one what the node looks for
    /// by itself. In a URL: `readers=`.
    pub readers: usize,
    /// How long one attempt to connect may take. In a URL: `connect_timeout=` in seconds.
    pub connect_timeout: Duration,
    /// How long a statement may take, at the server and on the way. In a URL: `statement_timeout=` in seconds.
    pub statement_timeout: Duration,
    /// How long a call waits for a server that is away before it fails. In a URL: `wait=` in seconds.
    pub wait: Duration,
    /// Whether other processes are told that feeds moved, and tell this one (`NOTIFY`, `LISTEN`). In a URL:
    /// `notify=off`.
    pub notify: bool,
    /// How many objects the writer remembers, so that it need not ask for their heads.
    pub cached_objects: usize,
    /// How many batches may wait for the writer; further ones are refused.
    pub waiting_max: usize,
    /// How many entries of the feed are kept in each shard, at least one.
    pub feed_keep: u64,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            shards: None,
            create: true,
            readers: 4,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(5),
            notify: true,
            cached_objects: 131_072,
            waiting_max: 10_000,
            feed_keep: 1_000,
        }
    }
}

/// How far a server has to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// No TLS.
    Off,
    /// Encrypted if the server can; whoever it is.
    Prefer,
    /// Encrypted, whoever it is.
    Require,
    /// Encrypted, and its certificate is signed by one we know (of this file, or of the system).
    Verify { roots: Option<PathBuf>, name: bool },
}

/// How the client proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// A file with its certificate, and those between it and the authority.
    pub(super) certificate: PathBuf,
    /// A file with its key.
    pub(super) key: PathBuf,
}

/// A URL, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// One for each server, to be tried in this order.
    pub(super) servers: Vec<(String, Config)>,
    pub(super) schema: String,
    pub(super) tls: Tls,
    pub(super) client: Option<Client>,
    /// How the store is called in messages: the URL without its password.
    pub(super) name: String,
}

impl Target {
    /// Reads a URL; what it says about options is written into them.
    pub(super) fn parse(url: &str, options: &mut PostgresOptions) -> Result<Self, OpenError> {
        let bad = |why: String| OpenError::BadUrl { url: crate::shown(url), why };
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = SCHEMA.to_owned();
        let (mut mode, mut roots, mut certificate, mut key) = (None, None, None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || value.parse::<u32>().map_err(|_| bad(format!("{name}={value} is no number")));
            let seconds = || number().map(|seconds| Duration::from_secs(seconds.max(1).into()));
            match name {
                "schema" => value.clone_into(&mut schema),
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(PathBuf::from(decoded(value))),
                "sslcert" => certificate = Some(PathBuf::from(decoded(value))),
                "sslkey" => key = Some(PathBuf::from(decoded(value))),
                "shards" => options.shards = Some(number()?),
                "readers" => options.readers = number()? as usize,
                "notify" => match value {
                    "on" | "off" => options.notify = value == "on",
                    _ => return Err(bad(format!("notify={value} is neither notify=on nor notify=off"))),
                },
                "wait" => options.wait = seconds()?,
                "connect_timeout" => options.connect_timeout = seconds()?,
                "statement_timeout" => options.statement_timeout = seconds()?,
                // Every server is asked whether it accepts writes, whatever is written here.
                "target_session_attrs" => {}
                _ => rest.push(pair),
            }
        }
        if schema.is_empty() || schema.len() > 63 || !schema.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(bad(format!("the schema {schema:?} has to be 1 to 63 letters, digits and underscores")));
        }
        let tls = tls(mode, roots).map_err(bad)?;
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Client { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(bad("sslcert needs the key of the certificate: add sslkey=FILE".into())),
            (None, Some(_)) => return Err(bad("sslkey needs its certificate: add sslcert=FILE".into())),
        };
        let config: Config = format!("{base}?{}", rest.join("&")).parse().map_err(|error| {
            bad(format!("{error}; write `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=abide`"))
        })?;
        let servers = servers(&config, options, &tls);
        if servers.is_empty() {
            return Err(bad("it names no host: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`".into()));
        }
        let name = format!("{}?schema={schema}", without_password(base));
        Ok(Self { servers, schema, tls, client, name })
    }
}

fn tls(mode: Option<&str>, roots: Option<PathBuf>) -> Result<Tls, String> {
    match mode {
        Some("disable") => Ok(Tls::Off),
        None | Some("prefer" | "allow") => Ok(Tls::Prefer),
        // As libpq has it: a root certificate that is named is checked against.
        Some("require") if roots.is_none() => Ok(Tls::Require),
        Some("require" | "verify-ca") => Ok(Tls::Verify { roots, name: false }),
        Some("verify-full") => Ok(Tls::Verify { roots, name: true }),
        Some(other) => {
            Err(format!("sslmode={other} is unknown: write one of disable, prefer, require, verify-ca and verify-full"))
        }
    }
}

/// A configuration for each host.
fn servers(config: &Config, options: &PostgresOptions, tls: &Tls) -> Vec<(String, Config)> {
    let port = |place: usize| config.get_ports().get(place).or(config.get_ports().first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate();
    let servers = hosts.map(|(place, host)| {
        let mut one = Config::new();
        let name = match host {
            Host::Tcp(name) => {
                one.host(name);
                format!("{name}:{}", port(place))
            }
            Host::Unix(path) => {
                one.host_path(path);
                path.display().to_string()
            }
        };
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(database) = config.get_dbname() {
            one.dbname(database);
        }
        if let Some(settings) = config.get_options() {
            one.options(settings);
        }
        one.port(port(place));
        one.connect_timeout(options.connect_timeout);
        one.tcp_user_timeout(options.statement_timeout);
        one.keepalives_idle(Duration::from_secs(10));
        one.keepalives_interval(Duration::from_secs(5));
        one.keepalives_retries(3);
        one.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require | Tls::Verify { .. } => SslMode::Require,
        });
        (name, one)
    });
    servers.collect()
}

/// A URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, hosts)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{hosts}{}", &rest[end..])
        }
        None => url.into(),
    }
}

/// Takes `%XX` apart.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        Target::parse(url, &mut PostgresOptions::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_names_servers_schema_and_how_they_prove_themselves() {
        let found = target("postgres://me:secret@a:1,b:2/db?schema=s&sslmode=verify-full&sslrootcert=/a%20b").unwrap();
        let names: Vec<&str> = found.servers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a:1", "b:2"]);
        assert_eq!(found.schema, "s");
        assert_eq!(found.tls, Tls::Verify { roots: Some("/a b".into()), name: true });
        assert_eq!(found.name, "postgres://me@a:1,b:2/db?schema=s");
        assert_eq!(target("postgres://h/db").unwrap().schema, "abide");
        let client = target("postgres://h/db?sslcert=/me.crt&sslkey=/me%2ekey").unwrap().client;
        assert_eq!(client, Some(Client { certificate: "/me.crt".into(), key: "/me.key".into() }));
    }

    #[test]
    fn options_stand_in_the_url() {
        let mut options = PostgresOptions::default();
        Target::parse("postgres://h/db?shards=16&wait=1&readers=2", &mut options).unwrap();
        assert_eq!((options.shards, options.wait, options.readers), (Some(16), Duration::from_secs(1), 2));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, part) in [
            ("postgres://u:pw@h/db?sslmode=maybe", "verify-full"),
            ("postgres://u:pw@h/db?schema=a-b", "letters"),
            ("postgres://u:pw@h/db?shards=x", "no number"),
            ("postgres:///db", "names no host"),
            ("postgres://u:pw@h/db?colour=red", "colour"),
            ("postgres://u:pw@h/db?sslcert=a", "sslkey=FILE"),
            ("postgres://u:pw@h/db?notify=yes", "notify=on"),
            ("postgres://u:pw@h/db?sslkey=a", "sslcert=FILE"),
        ] {
            let sentence = target(url).unwrap_err();
            assert!(sentence.contains(part), "{sentence}");
            assert!(!sentence.contains("pw"), "{sentence}");
        }
    }
}
