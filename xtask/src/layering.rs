//! Crates stand on floors; each uses only what is below it.

use std::fmt;
use std::path::Path;

use anyhow::ensure;
use serde_json::Value;

use crate::{metadata, sources};

/// Which floor each crate stands on; `ARCHITECTURE.md` draws the house.
const FLOORS: &[(&str, u8)] = &[
    ("abide-core", 0),
    ("abide-services", 0),
    ("abide-store", 1),
    ("abide-macros", 1),
    ("abide-node", 2),
    ("abide-client", 2),
    ("abide-server", 3),
    ("abide", 4),
    ("abide-sim", 4),
    ("abide-cli", 5),
    ("abide-bench", 5),
];

/// The floor of every package below `examples/`.
const EXAMPLES_FLOOR: u8 = 5;

/// Edges that do not point down, and why each may stay.
const ALLOWED_EDGES: &[(&str, &str, &str)] = &[
    ("abide", "abide-sim", "`abide::testing` gives users the simulator's clock and faults"),
    ("abide-cli", "arena-example", "the demo node serves the examples that have a page"),
    ("abide-cli", "chat-example", "the demo node serves the examples that have a page"),
    ("abide-cli", "tic-tac-toe-example", "the demo node serves the examples that have a page"),
];

/// Where the pure floor's sources lie.
const PURE: &str = "crates/abide-core/src";

/// What the pure floor may not name: it has no runtime, no network, no files
/// and no threads.
const IMPURE: &[&str] = &["tokio", "std::net", "std::fs", "std::thread"];

/// One broken rule; its `Display` says what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A crate that stands on no floor.
    NoFloor {
        /// The crate.
        package: String,
    },
    /// A dependency that does not point down.
    Upward {
        /// The crate that depends, with its floor.
        from: (String, u8),
        /// The crate it depends on, with its floor.
        to: (String, u8),
    },
    /// `xtask` uses a crate of the workspace, or one uses `xtask`.
    Xtask {
        /// The crate on the other end.
        package: String,
    },
    /// The pure floor names what it must not know.
    Impure {
        /// The file, from the root of the workspace.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What it names.
        word: &'static str,
    },
}

/// Checks the whole workspace: its dependencies, and the imports of the pure
/// floor.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut violations = dependency_violations(&metadata::workspace_packages()?);
    let mut pure = sources::tracked()?;
    pure.retain(|file| metadata::relative(file).starts_with(PURE));
    ensure!(!pure.is_empty(), "found no sources of the pure floor in {PURE}");
    for file in pure {
        let text = std::fs::read_to_string(&file)?;
        violations.extend(import_violations(&metadata::relative(&file), &text));
    }
    ensure!(violations.is_empty(), "{}", sources::lines(&violations));
    Ok(())
}

/// What is wrong with the dependencies between `packages`, the `packages` of
/// `cargo metadata --no-deps`. Dev-dependencies may go anywhere.
fn dependency_violations(packages: &[Value]) -> Vec<Violation> {
    let floors: Vec<(&str, Option<u8>)> = packages.iter().map(|package| (name(package), floor(package))).collect();
    let mut violations = Vec::new();
    for package in packages {
        let from = name(package);
        let from_floor = floor(package);
        if from != "xtask" && from_floor.is_none() {
            violations.push(Violation::NoFloor { package: from.into() });
        }
        for to in dependencies(package) {
            let Some((_, to_floor)) = floors.iter().find(|(name, _)| *name == to) else {
                continue;
            };
            violations.extend(edge_violation((from, from_floor), (to, *to_floor)));
        }
    }
    violations
}

fn edge_violation(from: (&str, Option<u8>), to: (&str, Option<u8>)) -> Option<Violation> {
    if from.0 == "xtask" || to.0 == "xtask" {
        let other = if from.0 == "xtask" { to.0 } else { from.0 };
        return Some(Violation::Xtask { package: other.into() });
    }
    let (from_floor, to_floor) = (from.1?, to.1?);
    let allowed = ALLOWED_EDGES.iter().any(|(user, used, _)| (*user, *used) == (from.0, to.0));
    (to_floor >= from_floor && !allowed)
        .then(|| Violation::Upward { from: (from.0.into(), from_floor), to: (to.0.into(), to_floor) })
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

fn floor(package: &Value) -> Option<u8> {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    if metadata::relative(manifest).starts_with("examples") {
        return Some(EXAMPLES_FLOOR);
    }
    let of_table = FLOORS.iter().find(|(crate_name, _)| *crate_name == name(package));
    of_table.map(|(_, floor)| *floor)
}

/// The names a package needs to build: normal and build dependencies.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str())
}

/// Where `text`, a file of the pure floor, names what it must not know.
/// Comments may.
fn import_violations(file: &Path, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let code = sources::without_line_comments(text);
    let mut report = |at: usize, word: &'static str| {
        violations.push(Violation::Impure {
            file: file.display().to_string(),
            line: code[..at].matches('\n').count() + 1,
            word,
        });
    };
    for word in IMPURE {
        for at in sources::words(&code, word) {
            report(at, word);
        }
    }
    for (at, module) in std_groups(&code) {
        let named = |word: &&&str| word.strip_prefix("std::") == Some(module);
        if let Some(word) = IMPURE.iter().find(named) {
            report(at, word);
        }
    }
    violations
}

/// The modules named first in every `std::{a::…, b::{…}}`, with their offsets.
fn std_groups(code: &str) -> Vec<(usize, &str)> {
    const OPEN: &str = "std::{";
    let mut modules = Vec::new();
    for (at, _) in code.match_indices(OPEN) {
        let start = at + OPEN.len();
        let mut depth = 1_u32;
        let mut entry = start;
        for (offset, c) in code[start..].char_indices() {
            let here = start + offset;
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                let text = code[entry..here].trim_start();
                let first = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                modules.push((here - text.len(), first.into_iter().next().unwrap_or("")));
                entry = here + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    modules
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFloor { package } => {
                write!(f, "{package} stands on no floor: add it to FLOORS in xtask/src/layering.rs, above all it uses")
            }
            Self::Upward { from: (from, from_floor), to: (to, to_floor) } => write!(
                f,
                "{from} (floor {from_floor}) depends on {to} (floor {to_floor}): arrows only point down; \
                 move the shared part below both, or make it a dev-dependency"
            ),
            Self::Xtask { package } => {
                write!(f, "xtask and {package} depend on each other: xtask must run when the crates do not compile")
            }
            Self::Impure { file, line, word } => write!(
                f,
                "{file}:{line} names `{word}`: abide-core is pure; take the value as an argument or add a port"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let manifest = metadata::workspace_root().join(folder).join("Cargo.toml");
        let dependencies: Vec<Value> =
            dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
        json!({"name": name, "manifest_path": manifest, "dependencies": dependencies})
    }

    fn check_text(text: &str, expected: &[(usize, &str)]) {
        let found: Vec<(usize, &str)> = import_violations(Path::new("lib.rs"), text)
            .into_iter()
            .map(|violation| match violation {
                Violation::Impure { line, word, .. } => (line, word),
                other => panic!("not about imports: {other}"),
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn this_workspace_keeps_its_floors() {
        check().unwrap();
    }

    #[test]
    fn arrows_down_are_fine() {
        let house = [
            package("abide-core", "crates/abide-core", &[("serde", None)]),
            package("abide-node", "crates/abide-node", &[("abide-core", None)]),
            package("counter", "examples/counter", &[("abide-node", None)]),
            package("xtask", "xtask", &[("anyhow", None)]),
        ];
        assert_eq!(dependency_violations(&house), []);
    }

    #[test]
    fn an_arrow_up_is_found() {
        let house = [
            package("abide-core", "crates/abide-core", &[("abide-node", None)]),
            package("abide-node", "crates/abide-node", &[]),
        ];
        assert_eq!(
            dependency_violations(&house),
            [Violation::Upward { from: ("abide-core".into(), 0), to: ("abide-node".into(), 2) }]
        );
    }

    #[test]
    fn an_arrow_along_a_floor_is_found_and_a_build_dependency_counts() {
        let house = [
            package("abide-store", "crates/abide-store", &[("abide-macros", Some("build"))]),
            package("abide-macros", "crates/abide-macros", &[]),
        ];
        assert_eq!(dependency_violations(&house).len(), 1);
    }

    #[test]
    fn a_dev_dependency_may_go_anywhere() {
        let house = [
            package("abide-core", "crates/abide-core", &[("abide-node", Some("dev"))]),
            package("abide-node", "crates/abide-node", &[]),
        ];
        assert_eq!(dependency_violations(&house), []);
    }

    #[test]
    fn the_facade_may_use_the_simulator_but_not_the_other_way_round() {
        let facade = package("abide", "crates/abide", &[("abide-sim", None)]);
        let sim = package("abide-sim", "crates/abide-sim", &[]);
        assert_eq!(dependency_violations(&[facade, sim]), []);

        let facade = package("abide", "crates/abide", &[]);
        let sim = package("abide-sim", "crates/abide-sim", &[("abide", None)]);
        assert_eq!(dependency_violations(&[facade, sim]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_told_to_get_one() {
        let house = [package("abide-attic", "crates/abide-attic", &[])];
        let violations = dependency_violations(&house);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].to_string().contains("add it to FLOORS"));
    }

    #[test]
    fn xtask_depends_on_no_crate_and_none_on_it() {
        let core = package("abide-core", "crates/abide-core", &[]);
        let xtask = package("xtask", "xtask", &[("abide-core", None)]);
        assert_eq!(dependency_violations(&[core, xtask]).len(), 1);

        let core = package("abide-core", "crates/abide-core", &[("xtask", None)]);
        let xtask = package("xtask", "xtask", &[]);
        assert_eq!(dependency_violations(&[core, xtask]).len(), 1);
    }

    #[test]
    fn impure_imports_are_found_with_their_line() {
        check_text("use std::fmt;\nuse std::net::IpAddr;\n", &[(2, "std::net")]);
        check_text("fn f() {\n    tokio::spawn(g());\n}", &[(2, "tokio")]);
        check_text(
            "use std::{\n    collections::{BTreeMap, net},\n    fs::File,\n    thread,\n};",
            &[(3, "std::fs"), (4, "std::thread")],
        );
    }

    #[test]
    fn comments_and_longer_names_are_not_imports() {
        check_text("//! No tokio, no std::fs here.\nuse std::fmt; // not std::net\n", &[]);
        check_text("mod tokio_free { use std::fsx; }", &[]);
    }
}
