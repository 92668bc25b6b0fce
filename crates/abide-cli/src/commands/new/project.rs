use std::{fs, path::PathBuf};

use serde_json::json;

use super::{name::CrateName, source::Source};
use crate::{
    failure::{Failure, Outcome},
    session::Session,
};

/// Where each file goes, and what it holds.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../../templates/project/Cargo.toml.txt")),
    ("README.md", include_str!("../../../templates/project/README.md")),
    (".gitignore", include_str!("../../../templates/project/gitignore.txt")),
    ("src/lib.rs", include_str!("../../../templates/project/src/lib.rs.txt")),
    ("src/main.rs", include_str!("../../../templates/project/src/main.rs.txt")),
    ("src/reminder.rs", include_str!("../../../templates/project/src/reminder.rs.txt")),
    ("tests/reminder.rs", include_str!("../../../templates/project/tests/reminder.rs.txt")),
];

/// Writes a project into a folder of its name.
pub(super) fn create(session: &Session, name: &CrateName, source: &Source) -> Outcome {
    let folder = PathBuf::from(name.as_str());
    if folder.exists() {
        return Err(Failure::new("conflict", format!("{} is there already; nothing was changed", folder.display()))
            .hint("choose another name, or remove it"));
    }
    let alone = if is_in_a_workspace() { "\n[workspace]\n" } else { "" };
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let text = text.replace("{{name}}", name.as_str()).replace("{{crate}}", &name.ident());
        let text = text.replace("{{abide}}", &source.dependency(""));
        let text = text.replace("{{testing}}", &source.dependency(", features = [\"testing\"]"));
        let text = if path.ends_with("Cargo.toml") { text + alone } else { text };
        fs::write(path, text)?;
    }
    let output = &session.output;
    if output.is_json() {
        let files: Vec<_> = FILES.iter().map(|(path, _)| path).collect();
        return output.value(&json!({"project": name.as_str(), "abide": source, "files": files}));
    }
    output.line(format!(
        "made {name}/, which depends on Abide in {source}\n\n  cd {name}\n  cargo test                    it passes\n  cargo run                     it serves\n  \
         abide new object ChatRoom     adds an object",
        name = name.as_str()
    ))
}

/// Whether a folder above this one is a cargo workspace, which would not know the project.
fn is_in_a_workspace() -> bool {
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors().any(|folder| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[workspace]")
    })
}
