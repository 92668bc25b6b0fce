use std::{ffi::OsString, path::PathBuf};

use abide::{
    Namespace, Principal,
    server::{Action, Ask, Caller, Gate, Ids, Means, ServerOptions},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::{
    config::{Config, Flags},
    failure::{Failure, Outcome},
    session::Session,
};

/// Look at who may do what, without a running node.
#[derive(Args, Debug)]
pub(crate) struct Access {
    #[command(subcommand)]
    action: Command,
    /// The file to read instead of abide.toml.
    #[arg(long, global = true, value_name = "FILE", env = "ABIDE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the configuration and the files it names, and say what is wrong with them.
    Check,
    /// Say whether somebody may do something, and which rule decides.
    Explain(Explain),
}

#[derive(Args, Debug)]
struct Explain {
    /// What: call, watch, list, sync, create, delete or admin.
    #[arg(value_name = "ACTION", value_parser = action)]
    action: Action,
    /// To objects of which kind; without it, of all.
    kind: Option<String>,
    /// To which object; for list, what the ids begin with.
    id: Option<String>,
    /// Through which handler.
    handler: Option<String>,
    /// Who: a name.
    #[arg(long, value_name = "NAME", default_value = "somebody")]
    subject: String,
    /// A role of theirs; may be said several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Their tenant.
    #[arg(long, value_name = "TENANT", default_value = "default")]
    tenant: String,
    /// The tenant whose objects they ask for, if it is not their own.
    #[arg(long = "in", value_name = "TENANT")]
    within: Option<String>,
    /// What else their token says, as JSON.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Callers without a token, instead of somebody.
    #[arg(long, conflicts_with_all = ["subject", "roles", "claims"])]
    anonymous: bool,
    /// The presenter of the token in --token or ABIDE_TOKEN, instead of somebody.
    #[arg(long, conflicts_with_all = ["subject", "roles", "claims", "anonymous"])]
    presenter: bool,
}

impl Access {
    /// Does it.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let flags = Flags { config: self.config, ..Flags::default() };
        let config = Config::load(&flags, std::env::vars_os().filter_map(text))?;
        let mut options = ServerOptions::on(&config.listen);
        config.security.apply(&mut options)?;
        // What decides is asked; nothing is written down as if it had happened.
        options.audit = None;
        let gate = Gate::new(&options).map_err(|error| Failure::new("config", error.detail()))?;
        match self.action {
            Command::Check => check(session, &options),
            Command::Explain(explain) => explain.run(session, &gate, asks(&options)),
        }
    }
}

/// Whether callers are asked who they are: for tokens, or for certificates.
fn asks(options: &ServerOptions) -> bool {
    options.auth.is_some() || shows_certificates(options)
}

fn shows_certificates(options: &ServerOptions) -> bool {
    options.tls.as_ref().is_some_and(|tls| tls.clients.is_some())
}

fn check(session: &Session, options: &ServerOptions) -> Outcome {
    let output = &session.output;
    let auth = options.auth.as_ref();
    let has = |known: bool| if known { "yes" } else { "no" };
    let means = [
        ("tokens", auth.is_some_and(|auth| auth.jwt.is_some())),
        ("API keys", auth.is_some_and(|auth| auth.keys.is_some())),
        ("certificates", shows_certificates(options)),
        ("anonymous", auth.map_or(!asks(options), |auth| auth.anonymous.is_some())),
        ("TLS", options.tls.is_some()),
    ];
    if output.is_json() {
        let means: Map<String, Value> = means.iter().map(|(name, known)| ((*name).to_owned(), json!(known))).collect();
        return output.value(&json!({"asks": asks(options), "rules": options.access.len(), "means": means}));
    }
    if !asks(options) {
        output.line(
            "nobody is asked who they are: the node listens on this machine only, and everybody may do everything",
        )?;
    }
    for (name, known) in means {
        output.line(format!("{name}: {}", has(known)))?;
    }
    match options.access.len() {
        0 if asks(options) => output.line("rules: none, so whoever is known may do everything in its own tenant"),
        0 => Ok(()),
        count => output.line(format!("rules: {count}; what none of them mentions is denied")),
    }
}

impl Explain {
    fn run(self, session: &Session, gate: &Gate, asks: bool) -> Outcome {
        let caller = self.caller(session, gate, asks)?;
        let namespace = match &self.within {
            Some(name) => namespace(name)?,
            None => caller.namespace().clone(),
        };
        let ids = match (self.action, self.id.as_deref()) {
            (Action::List, prefix) => Ids::Prefix(prefix.unwrap_or_default()),
            (_, Some(id)) => Ids::One(id),
            (_, None) => Ids::Prefix(""),
        };
        let (kind, handler) = (self.kind.as_deref(), self.handler.as_deref());
        let ask = Ask { action: self.action, namespace: &namespace, kind, ids, handler };
        let decision = gate.decide(&caller, &ask);
        let (who, output) = (caller.principal().map_or("everybody", |principal| &principal.subject), &session.output);
        match output.is_json() {
            true => output.value(&json!({
                "who": who, "asks": ask.to_string(), "allowed": decision.allowed, "why": decision.to_string(),
            })),
            false => output.line(format!("{who} may {ask}? {decision}")),
        }
    }

    fn caller(&self, session: &Session, gate: &Gate, asks: bool) -> Outcome<Caller> {
        if !asks {
            return Ok(Caller::unasked());
        }
        if self.anonymous || self.presenter {
            let token = session.token.as_deref().filter(|_| self.presenter);
            if self.presenter && token.is_none() {
                return Err(Failure::usage("there is no token: say --token, or set ABIDE_TOKEN"));
            }
            return Ok(gate.identify_token(token, self.within.as_deref())?);
        }
        let claims = match self.claims.as_deref().map(serde_json::from_str::<Map<String, Value>>) {
            None => Map::new(),
            Some(Ok(claims)) => claims,
            Some(Err(error)) => return Err(Failure::usage(format!("--claims is no JSON object: {error}"))),
        };
        let principal =
            Principal { subject: self.subject.clone(), roles: self.roles.clone(), namespace: namespace(&self.tenant)? };
        Ok(Caller::known(principal, Means::Token).with_claims(claims, None))
    }
}

fn namespace(name: &str) -> Outcome<Namespace> {
    Namespace::new(name).map_err(|error| Failure::usage(error.to_string()))
}

fn action(name: &str) -> Result<Action, String> {
    Action::named(name).ok_or_else(|| {
        let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        format!("there are {}", known.join(", "))
    })
}
