//! Packages that must not be linked, or not twice: the `[bans]` of `deny.toml`.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{licences, metadata, sources};

/// Fails if a banned package, or a second version of a single one, is used.
pub(crate) fn check() -> anyhow::Result<()> {
    let violations = violations(&metadata::all_packages()?, &licences::deny_toml()?)?;
    ensure!(violations.is_empty(), "{}", sources::lines(&violations));
    Ok(())
}

fn violations(packages: &[Value], deny: &Value) -> anyhow::Result<Vec<String>> {
    let bans = deny["bans"]["deny"].as_array();
    let mut violations = Vec::new();
    for ban in bans.context("deny.toml has no list `bans.deny`")? {
        let name = ban["crate"].as_str().context("a ban in deny.toml names no crate")?;
        let reason = ban["reason"].as_str();
        let reason = reason.with_context(|| format!("the ban of {name} gives no reason"))?;
        let versions: BTreeSet<&str> = packages
            .iter()
            .filter(|package| package["name"] == name)
            .filter_map(|package| package["version"].as_str())
            .collect();
        let once = ban["deny-multiple-versions"] == true;
        if versions.len() > usize::from(once) {
            let versions = Vec::from_iter(versions).join(" and ");
            violations.push(format!("{name} {versions} is used: {reason} (`cargo tree -i {name}` says by whom)"));
        }
    }
    Ok(violations)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(versions: &[(&str, &str)]) -> Vec<String> {
        let packages: Vec<Value> =
            versions.iter().map(|(name, version)| json!({"name": name, "version": version})).collect();
        let deny = json!({"bans": {"deny": [
            {"crate": "ring", "reason": "one is enough"},
            {"crate": "hyper", "deny-multiple-versions": true, "reason": "one stack"},
        ]}});
        violations(&packages, &deny).unwrap()
    }

    #[test]
    fn a_banned_package_is_found_with_the_reason() {
        let found = used(&[("ring", "0.17.0"), ("serde", "1.0.0")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("ring 0.17.0 is used: one is enough"));
    }

    #[test]
    fn a_single_package_may_be_used_once_but_not_twice() {
        assert_eq!(used(&[("hyper", "1.0.0")]), Vec::<String>::new());
        assert_eq!(used(&[("hyper", "1.0.0"), ("hyper", "0.14.0")]).len(), 1);
    }

    #[test]
    fn a_ban_without_a_reason_is_an_error() {
        let deny = json!({"bans": {"deny": [{"crate": "ring"}]}});
        assert!(violations(&[], &deny).is_err());
    }
}
