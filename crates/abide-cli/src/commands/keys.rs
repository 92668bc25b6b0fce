use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use abide::{
    Clock, Namespace, Principal, SystemClock,
    server::{ApiKey, ApiKeys},
};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    config::{Config, Flags},
    failure::{Failure, Outcome},
    output::Table,
    session::Session,
};

/// Where keys are unless the configuration or a flag says otherwise.
const FILE: &str = "keys.toml";

/// Make, list and revoke API keys. A running node notices by itself.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
    /// The file with the hashes of the keys [default: that of the configuration, or keys.toml].
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file to read instead of abide.toml.
    #[arg(long, global = true, value_name = "FILE", env = "ABIDE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key. It is shown once and kept nowhere: only its hash goes to the file.
    New {
        /// Whose it is: the name that handlers and rules see.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// A role that it gives; may be said several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// The tenant that it is for; the one of --namespace, or default, if nothing is said.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// For how long it can be used, for example 90d; without it, until it is revoked.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
    },
    /// List the keys there are; what could be used is not among it.
    List,
    /// Take a key away.
    Revoke {
        /// The id that `abide keys list` shows.
        id: String,
    },
}

impl Keys {
    /// Does it.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let path = match self.file {
            Some(path) => path,
            None => of_config(self.config)?,
        };
        match self.action {
            Action::New { subject, roles, tenant, expires } => {
                let tenant = tenant.as_deref().or(session.namespace.as_deref()).unwrap_or("default");
                let namespace = Namespace::new(tenant).map_err(|error| Failure::usage(error.to_string()))?;
                if subject.is_empty() || subject == "anonymous" {
                    return Err(Failure::usage("a key belongs to somebody: choose another --subject"));
                }
                new(session, &path, Principal { subject, roles, namespace }, expires)
            }
            Action::List => list(session, &read(&path)?),
            Action::Revoke { id } => {
                let mut keys = read(&path)?;
                if !keys.revoke(&id) {
                    let failure = Failure::new("not_found", format!("{} has no key {id}", path.display()));
                    return Err(failure.hint("`abide keys list` shows those it has"));
                }
                keys.write(&path).map_err(|error| Failure::new("io", error))?;
                match session.output.is_json() {
                    true => session.output.value(&json!({"revoked": id})),
                    false => session.output.line(format!("{id} is revoked")),
                }
            }
        }
    }
}

fn of_config(config: Option<PathBuf>) -> Outcome<PathBuf> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let config = Config::load(&Flags { config, ..Flags::default() }, std::env::vars_os().filter_map(text))?;
    Ok(config.security.keys.unwrap_or_else(|| FILE.into()))
}

fn read(path: &Path) -> Outcome<ApiKeys> {
    ApiKeys::read(path).map_err(|error| Failure::new("io", error))
}

fn new(session: &Session, path: &Path, principal: Principal, expires: Option<Duration>) -> Outcome {
    let mut keys = if path.exists() { read(path)? } else { ApiKeys::default() };
    let now = SystemClock.now();
    let token = keys.issue(principal, now, expires.map(|time| now.plus(time)));
    keys.write(path).map_err(|error| Failure::new("io", error))?;
    let made = keys.all().last().expect("BUG: a key was made and is not there");
    let output = &session.output;
    if output.is_json() {
        return output.value(&json!({"id": made.id, "key": token, "file": path, "namespace": made.namespace}));
    }
    output.line(&token)?;
    // For people, beside the key that a script may take from standard output.
    eprintln!(
        "\nThis is the key of {} in the tenant {}; it is shown once. Its hash is in {} as {}.\nUse it: abide --token KEY …, or ABIDE_TOKEN, \
         or `Authorization: Bearer KEY`.",
        made.subject,
        made.namespace,
        path.display(),
        made.id
    );
    Ok(())
}

fn list(session: &Session, keys: &ApiKeys) -> Outcome {
    let output = &session.output;
    if output.is_json() {
        let shown = |key: &ApiKey| {
            json!({
                "id": key.id, "subject": key.subject, "roles": key.roles, "namespace": key.namespace,
                "created_at": key.created_at, "expires_at": key.expires_at,
            })
        };
        return output.value(&json!({ "keys": keys.all().iter().map(shown).collect::<Vec<_>>() }));
    }
    let mut table = Table::new(output, &["id", "subject", "roles", "tenant", "made", "expires"]);
    for key in keys.all() {
        let expires = key.expires_at.map_or_else(|| "never".into(), |end| end.to_string());
        let (made, tenant) = (key.created_at.to_string(), key.namespace.to_string());
        table.row([key.id.clone(), key.subject.clone(), key.roles.join(" "), tenant, made, expires]);
    }
    table.print(output, "no keys")
}

fn duration(text: &str) -> Result<Duration, String> {
    abide::duration::parse_duration(text).map_err(|error| error.to_string())
}
