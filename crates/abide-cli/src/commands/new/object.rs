use std::{fs, path::Path};

use serde_json::json;

use super::name::TypeName;
use crate::{
    failure::{Failure, Outcome},
    session::Session,
};

const TEMPLATE: &str = include_str!("../../../templates/object.rs.txt");

/// Writes `src/NAME.rs` and registers its type in `src/lib.rs`.
pub(super) fn add(session: &Session, name: &TypeName) -> Outcome {
    let library = Path::new("src/lib.rs");
    let text = fs::read_to_string(library).map_err(|error| {
        Failure::new("not_found", format!("src/lib.rs cannot be read: {error}; nothing was changed"))
            .hint("run this in a project: `abide new NAME` makes one")
    })?;
    let (name, module) = (name.as_str(), name.module());
    let path = format!("src/{module}.rs");
    if Path::new(&path).exists() {
        return Err(Failure::new("conflict", format!("{path} is there already; nothing was changed")));
    }
    let registered = register(&text, name, &module);
    fs::write(&path, TEMPLATE.replace("{{Name}}", name))?;
    if let Some(text) = &registered {
        fs::write(library, text)?;
    }
    let output = &session.output;
    if output.is_json() {
        return output.value(&json!({"object": name, "file": path, "registered": registered.is_some()}));
    }
    output.line(format!("made {path}"))?;
    if registered.is_none() {
        output.line(format!(
            "src/lib.rs has no line with `builder = builder.register::<…>();` to follow: add `mod {module};`, `pub use {module}::{name};` \
             and `.register::<{name}>()` where the others are"
        ))?;
    }
    Ok(())
}

/// The library with the new object beside the others. `None` if it has no such lines.
fn register(text: &str, name: &str, module: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    insert(&mut lines, "mod ", format!("mod {module};"))?;
    insert(&mut lines, "pub use ", format!("pub use {module}::{name};"))?;
    let last = lines.iter().rposition(|line| line.trim_start().starts_with("builder = builder.register::<"))?;
    let indent: String = lines[last].chars().take_while(|c| c.is_whitespace()).collect();
    lines.insert(last + 1, format!("{indent}builder = builder.register::<{name}>();"));
    Some(lines.join("\n") + "\n")
}

/// Inserts a line among those that begin alike, by the alphabet.
fn insert(lines: &mut Vec<String>, start: &str, line: String) -> Option<()> {
    let last = lines.iter().rposition(|other| other.starts_with(start))?;
    let next = lines.iter().position(|other| other.starts_with(start) && *other > line);
    lines.insert(next.unwrap_or(last + 1), line);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_registered_after_the_last_one() {
        let before = include_str!("../../../templates/project/src/lib.rs.txt");
        let once = register(before, "ChatRoom", "chat_room").unwrap();
        let twice = register(&once, "Lobby", "lobby").unwrap();
        assert!(twice.contains("mod chat_room;\nmod lobby;\nmod reminder;\n"), "{twice}");
        assert!(twice.contains("pub use chat_room::ChatRoom;\npub use lobby::Lobby;\npub use reminder"), "{twice}");
        let names: Vec<_> = twice.lines().filter_map(|line| line.split("register::<").nth(1)).collect();
        assert_eq!(names, ["Reminder>();", "ChatRoom>();", "Lobby>();"]);
    }

    #[test]
    fn a_library_of_another_form_is_left_alone() {
        assert_eq!(register("fn main() {}\n", "ChatRoom", "chat_room"), None);
    }
}
