use super::{KEYS, Key, Setting, Value, key::refuse};
use crate::failure::Outcome;

/// Variables that are read elsewhere.
const OTHERS: [&str; 7] =
    ["ABIDE_URL", "ABIDE_CONFIG", "ABIDE_TOKEN", "ABIDE_NAMESPACE", "ABIDE_CA", "ABIDE_CERT", "ABIDE_CERT_KEY"];

/// The settings in the environment.
pub(super) fn read(environment: impl Iterator<Item = (String, String)>) -> Outcome<Vec<Setting>> {
    let ours = environment.filter(|(name, _)| name.starts_with("ABIDE_"));
    let ours = ours.filter(|(name, _)| !OTHERS.contains(&name.as_str()) && !is_of_a_service(name));
    let setting = |(name, text): (String, String)| match KEYS.iter().find(|key| key.variable() == name) {
        Some(key) => Ok(Setting { key, value: Value::Text(text), origin: format!("the variable {name}") }),
        None => Err(refuse("the environment", &name, KEYS.iter().map(Key::variable))),
    };
    ours.map(setting).collect()
}

/// Kubernetes sets such variables for a service that is called `abide`: they are not meant for us.
fn is_of_a_service(name: &str) -> bool {
    let rest = name.trim_start_matches("ABIDE_");
    rest == "PORT" || ["PORT_", "SERVICE_"].iter().any(|start| rest.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_service_called_abide_are_left_alone() {
        let names = ["ABIDE_SERVICE_HOST", "ABIDE_PORT", "ABIDE_PORT_7070_TCP", "ABIDE_URL", "PATH"];
        let environment = names.iter().map(|name| ((*name).to_owned(), "x".to_owned()));
        assert!(read(environment).unwrap().is_empty());
    }
}
