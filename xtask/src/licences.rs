//! Every package's licence is one that we may ship: the `[licenses]` of
//! `deny.toml`.

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{metadata, sources, spdx};

/// Fails if the licence of any package, on any platform, is missing or not in
/// the list.
pub(crate) fn check() -> anyhow::Result<()> {
    let violations = violations(&metadata::all_packages()?, &deny_toml()?)?;
    ensure!(violations.is_empty(), "{}", sources::lines(&violations));
    Ok(())
}

/// What `deny.toml` says.
pub(crate) fn deny_toml() -> anyhow::Result<Value> {
    let file = metadata::workspace_root().join("deny.toml");
    let text = std::fs::read_to_string(file).context("could not read deny.toml")?;
    toml::from_str(&text).context("deny.toml is not valid")
}

fn violations(packages: &[Value], deny: &Value) -> anyhow::Result<Vec<String>> {
    let allowed = deny["licenses"]["allow"].as_array();
    let allowed = allowed.context("deny.toml has no list `licenses.allow`")?;
    let is_allowed = |licence: &str| allowed.iter().any(|one| one == licence);
    let mut violations = Vec::new();
    for package in packages {
        let Some(expression) = package["license"].as_str() else {
            violations.push(format!("{} names no licence", id(package)));
            continue;
        };
        match spdx::satisfied(expression, &is_allowed) {
            Ok(true) => {}
            Ok(false) => {
                violations.push(format!("{} is under `{expression}`, which deny.toml does not allow", id(package)));
            }
            Err(error) => violations.push(format!("{}: cannot read its licence `{expression}`: {error}", id(package))),
        }
    }
    Ok(violations)
}

fn id(package: &Value) -> String {
    let part = |name: &str| package[name].as_str().unwrap_or("?").to_owned();
    format!("{} {}", part("name"), part("version"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_licence_that_is_missing_unknown_or_garbled_is_found() {
        let packages = [
            json!({"name": "fine", "version": "1.0.0", "license": "MIT OR GPL-3.0"}),
            json!({"name": "missing", "version": "1.0.0", "license": null}),
            json!({"name": "viral", "version": "1.0.0", "license": "AGPL-3.0"}),
            json!({"name": "garbled", "version": "1.0.0", "license": "MIT OR"}),
        ];
        let deny = json!({"licenses": {"allow": ["MIT"]}});
        let found = violations(&packages, &deny).unwrap();
        let named: Vec<bool> = ["missing 1.0.0", "viral 1.0.0", "garbled 1.0.0"]
            .iter()
            .zip(&found)
            .map(|(name, message)| message.starts_with(name))
            .collect();
        assert_eq!(named, [true, true, true], "{found:?}");
    }

    #[test]
    fn the_list_itself_can_be_read() {
        let deny = deny_toml().unwrap();
        assert_eq!(violations(&[], &deny).unwrap(), Vec::<String>::new());
    }
}
