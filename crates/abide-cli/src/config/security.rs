//! `[auth]`, `[[access]]`, `[tls]`, `[audit]` and `limits.rate`.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use abide::server::{
    Anonymous, AuditOptions, AuthOptions, ClientCertificates, JwtOptions, Rate, Rates, Rule, ServerOptions, TlsOptions,
};

use super::Setting;
use crate::failure::{Failure, Outcome};

/// What is said about who callers are, what they may do and how they are protected.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Security {
    /// The rules, in their order.
    pub(crate) access: Vec<Rule>,
    /// The file of API keys.
    pub(crate) keys: Option<PathBuf>,
    jwks: Option<PathBuf>,
    audience: Vec<String>,
    issuer: Vec<String>,
    leeway: Option<Duration>,
    roles_claim: Option<String>,
    namespace_claim: Option<String>,
    revoked: Option<PathBuf>,
    anonymous: bool,
    anonymous_roles: Vec<String>,
    tenant_roles: Vec<String>,
    cert: Option<PathBuf>,
    private_key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_cert_required: Option<bool>,
    audit: Option<PathBuf>,
    audit_bytes: Option<usize>,
    audit_kept: Option<usize>,
    per_principal: Option<Rate>,
    per_address: Option<Rate>,
    burst: Option<NonZeroU32>,
}

impl Security {
    /// Takes a setting; whether it is one of these.
    pub(super) fn set(&mut self, setting: &Setting) -> Outcome<bool> {
        let path = |setting: &Setting| setting.text().map(PathBuf::from).map(Some);
        match setting.key.path {
            "auth.jwt.jwks" => self.jwks = path(setting)?,
            "auth.jwt.audience" => self.audience = setting.list(),
            "auth.jwt.issuer" => self.issuer = setting.list(),
            "auth.jwt.leeway" => self.leeway = Some(setting.duration()?),
            "auth.jwt.roles_claim" => self.roles_claim = Some(setting.text()?),
            "auth.jwt.namespace_claim" => self.namespace_claim = Some(setting.text()?),
            "auth.jwt.revoked" => self.revoked = path(setting)?,
            "auth.keys" => self.keys = path(setting)?,
            "auth.anonymous" => self.anonymous = setting.flag()?,
            "auth.anonymous_roles" => self.anonymous_roles = setting.list(),
            "auth.tenant_roles" => self.tenant_roles = setting.list(),
            "audit.file" => self.audit = path(setting)?,
            "audit.size" => self.audit_bytes = Some(setting.size_in(4 << 10, 1 << 40)?),
            "audit.kept" => self.audit_kept = Some(setting.count_in(0, 10_000)?),
            "tls.cert" => self.cert = path(setting)?,
            "tls.key" => self.private_key = path(setting)?,
            "tls.client_ca" => self.client_ca = path(setting)?,
            "tls.client_cert" => self.client_cert_required = Some(required(setting)?),
            "limits.rate.per_principal" => self.per_principal = Some(rate(setting)?),
            "limits.rate.per_address" => self.per_address = Some(rate(setting)?),
            "limits.rate.burst" => self.burst = Some(burst(setting)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Writes all of it into the options of a server.
    pub(crate) fn apply(&self, options: &mut ServerOptions) -> Outcome {
        options.auth = self.auth()?;
        options.access.clone_from(&self.access);
        options.tls = self.tls()?;
        options.audit = self.audit()?;
        let rate = |rate: Option<Rate>| rate.map(|rate| self.burst.map_or(rate, |burst| rate.burst(burst)));
        options.rates = Rates { per_principal: rate(self.per_principal), per_address: rate(self.per_address) };
        if self.burst.is_some() && options.rates == Rates::default() {
            return Err(Failure::usage("limits.rate has a `burst` and neither `per_principal` nor `per_address`"));
        }
        Ok(())
    }

    fn tls(&self) -> Outcome<Option<TlsOptions>> {
        let required = self.client_cert_required.unwrap_or(true);
        let clients = self.client_ca.clone().map(|ca| ClientCertificates { ca, required });
        if clients.is_none() && self.client_cert_required.is_some() {
            let failure = Failure::usage("[tls] has `client_cert`, and nothing that says whose certificates count");
            return Err(failure.hint("write client_ca = \"clients.pem\" beside it"));
        }
        match (&self.cert, &self.private_key) {
            (Some(cert), Some(key)) => Ok(Some(TlsOptions { clients, ..TlsOptions::new(cert, key) })),
            (None, None) if clients.is_none() => Ok(None),
            (None, None) => Err(Failure::usage("[tls] has `client_ca` without `cert` and `key`")),
            _ => Err(Failure::usage("[tls] has one of `cert` and `key` without the other")),
        }
    }

    fn audit(&self) -> Outcome<Option<AuditOptions>> {
        let Some(file) = &self.audit else {
            return match (self.audit_bytes, self.audit_kept) {
                (None, None) => Ok(None),
                _ => Err(Failure::usage("[audit] has no `file`").hint("write file = \"audit.jsonl\"")),
            };
        };
        let mut audit = AuditOptions::new(file);
        audit.bytes_max = self.audit_bytes.map_or(audit.bytes_max, |bytes| bytes as u64);
        audit.kept = self.audit_kept.and_then(|kept| u32::try_from(kept).ok()).unwrap_or(audit.kept);
        Ok(Some(audit))
    }

    fn auth(&self) -> Outcome<Option<AuthOptions>> {
        let jwt = self.jwt()?;
        if !self.anonymous && !self.anonymous_roles.is_empty() {
            let failure = Failure::usage("[auth] has `anonymous_roles`, and callers without a token are not let in");
            return Err(failure.hint("write anonymous = true beside it, or remove it"));
        }
        let anonymous =
            self.anonymous.then(|| Anonymous { roles: self.anonymous_roles.clone(), ..Anonymous::default() });
        if jwt.is_none() && self.keys.is_none() && anonymous.is_none() {
            return match self.tenant_roles.as_slice() {
                [] => Ok(None),
                _ => Err(Failure::usage("[auth] has `tenant_roles`, and nothing that says who callers are")
                    .hint("add jwt = { jwks = \"keys.json\", audience = \"abide\" }, or keys = \"keys.toml\"")),
            };
        }
        Ok(Some(AuthOptions { jwt, keys: self.keys.clone(), anonymous, tenant_roles: self.tenant_roles.clone() }))
    }

    fn jwt(&self) -> Outcome<Option<JwtOptions>> {
        let hint = "write jwt = { jwks = \"keys.json\", audience = \"abide\" }";
        let Some(jwks) = &self.jwks else {
            let claims = [self.roles_claim.is_some(), self.namespace_claim.is_some()];
            let rest = [self.leeway.is_some(), self.revoked.is_some()];
            return if self.audience.is_empty() && self.issuer.is_empty() && [claims, rest] == [[false; 2]; 2] {
                Ok(None)
            } else {
                Err(Failure::usage("auth.jwt has no `jwks`: which keys sign the tokens?").hint(hint))
            };
        };
        let Some(first) = self.audience.first() else {
            let failure = Failure::usage("auth.jwt has no `audience`: tokens meant for others would be believed");
            return Err(failure.hint(hint));
        };
        let mut jwt = JwtOptions::new(jwks, first);
        jwt.audience.clone_from(&self.audience);
        jwt.issuer.clone_from(&self.issuer);
        jwt.leeway = self.leeway.unwrap_or(jwt.leeway);
        jwt.roles_claim = self.roles_claim.clone().unwrap_or(jwt.roles_claim);
        jwt.namespace_claim.clone_from(&self.namespace_claim);
        jwt.revoked.clone_from(&self.revoked);
        Ok(Some(jwt))
    }
}

fn required(setting: &Setting) -> Outcome<bool> {
    match setting.text()?.as_str() {
        "required" => Ok(true),
        "optional" => Ok(false),
        _ => Err(setting.wrong("required or optional")),
    }
}

fn rate(setting: &Setting) -> Outcome<Rate> {
    setting.text()?.parse().map_err(|_| setting.wrong("a rate such as 200/s, 100/m or 5000/h"))
}

fn burst(setting: &Setting) -> Outcome<NonZeroU32> {
    let count = setting.count_in(1, u32::MAX as usize)?;
    u32::try_from(count).ok().and_then(NonZeroU32::new).ok_or_else(|| setting.wrong("a whole number from 1"))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Flags};

    use super::*;

    fn options(file: &str) -> Outcome<ServerOptions> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abide.toml");
        std::fs::write(&path, file).unwrap();
        let config = Config::load(&Flags { config: Some(path), ..Flags::default() }, std::iter::empty())?;
        let mut options = ServerOptions::default();
        config.security.apply(&mut options)?;
        Ok(options)
    }

    #[test]
    fn all_of_it_can_be_said() {
        let options = options(
            r#"
            [auth]
            jwt = { jwks = "keys.json", audience = "abide", issuer = ["a", "b"], leeway = "5s", revoked = "revoked.txt" }
            keys = "keys.toml"
            anonymous = true
            anonymous_roles = ["guest"]
            tenant_roles = ["operator"]
            [[access]]
            allow = ["call", "watch"]
            kind = "ChatRoom"
            roles = ["user"]
            [[access]]
            allow = "*"
            id = "{sub}/*"
            claims = { team = ["blue", "red"] }
            [tls]
            cert = "server.pem"
            key = "server-key.pem"
            client_ca = "clients.pem"
            client_cert = "optional"
            [limits]
            rate = { per_principal = "200/s", burst = 400 }
            [audit]
            file = "audit.jsonl"
            size = "1MiB"
            kept = 0
            "#,
        )
        .unwrap();
        let auth = options.auth.unwrap();
        let jwt = auth.jwt.unwrap();
        assert_eq!((jwt.issuer.len(), jwt.leeway, jwt.roles_claim.as_str()), (2, Duration::from_secs(5), "roles"));
        assert_eq!((auth.anonymous.unwrap().roles, auth.tenant_roles), (vec!["guest".into()], vec!["operator".into()]));
        assert_eq!((options.access.len(), &options.access[1].id), (2, &vec!["{sub}/*".to_owned()]));
        assert!(!options.tls.unwrap().clients.unwrap().required);
        assert_eq!(
            options.audit,
            Some(AuditOptions { bytes_max: 1 << 20, kept: 0, ..AuditOptions::new("audit.jsonl") })
        );
        assert_eq!(jwt.revoked, Some("revoked.txt".into()));
        let rate: Rate = "200/s".parse().unwrap();
        let expected = Rates { per_principal: Some(rate.burst(NonZeroU32::new(400).unwrap())), per_address: None };
        assert_eq!(options.rates, expected);
    }

    #[test]
    fn halves_are_refused_with_what_is_missing() {
        for (file, word) in [
            ("[auth]\njwt = { audience = \"abide\" }", "jwks"),
            ("[auth]\njwt = { jwks = \"keys.json\" }", "audience"),
            ("[auth]\nanonymous_roles = [\"guest\"]", "anonymous_roles"),
            ("[auth]\ntenant_roles = [\"x\"]", "tenant_roles"),
            ("[auth]\nanonymous = 1", "true or false"),
            ("[auth]\njwt = \"keys.json\"", "table"),
            ("[auth]\njwt = { jkws = \"keys.json\" }", "auth.jwt.jwks"),
            ("[tls]\ncert = \"x\"", "key"),
            ("[tls]\nclient_ca = \"x\"", "`cert` and `key`"),
            ("[tls]\ncert = \"x\"\nkey = \"x\"\nclient_cert = \"required\"", "client_ca"),
            ("[tls]\nclient_cert = \"maybe\"", "required or optional"),
            ("[audit]\nsize = \"1MiB\"", "file"),
            ("[audit]\nfile = \"x\"\nsize = \"1KiB\"", "4.0 KiB"),
            ("[auth]\njwt = { revoked = \"x\" }", "jwks"),
            ("[limits]\nrate = { burst = 4 }", "per_principal"),
            ("[limits]\nrate = { per_principal = \"many\" }", "200/s"),
            ("[access]\nallow = [\"call\"]", "[[access]]"),
            ("\n[[access]]\nallow = [\"call\"]\n[[access]]\nallow = [\"cal\"]", "line 4: access rule 2"),
            ("\n[[access]]\nalow = [\"call\"]", "line 3"),
            ("[[access]]\nallow = [\"call\"]\nid = \"{subject}\"", "{sub}"),
        ] {
            let failure = options(file).unwrap_err();
            let sentence = format!("{failure} {}", failure.advice().unwrap_or_default());
            assert!(failure.exit() == 2 && sentence.contains(word), "{file}: {sentence}");
        }
    }

    #[test]
    fn nothing_said_means_that_nobody_is_asked() {
        let options = options("").unwrap();
        assert!(options.auth.is_none() && options.tls.is_none() && options.access.is_empty());
    }
}
