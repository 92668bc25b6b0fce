//! The Rust files of the workspace, and the rules that hold for each.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::metadata;

/// No Rust file is longer.
const LINES_MAX: usize = 800;

/// What unfinished work looks like. Written in pieces, so that this file does
/// not find itself.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("#[", "ignore")];

/// Folders that hold no sources of ours.
const SKIPPED_FOLDERS: &[&str] = &["target", "node_modules", ".git"];

/// The Rust files under version control; of a copy without git, all of them.
pub(crate) fn tracked() -> anyhow::Result<Vec<PathBuf>> {
    let root = metadata::workspace_root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--", "*.rs"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let mut files: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(|file| root.join(file))
            .filter(|file| file.is_file())
            .collect(),
        _ => Vec::new(),
    };
    if files.is_empty() {
        walk(root, &mut files)?;
    }
    ensure!(!files.is_empty(), "found no Rust file below {}", root.display());
    Ok(files)
}

/// Fails if a file is longer than `LINES_MAX` lines.
pub(crate) fn check_lengths() -> anyhow::Result<()> {
    let long = each_file(|file, text| {
        let lines = text.lines().count();
        let message = format!("{file} has {lines} lines, at most {LINES_MAX}: split it");
        Vec::from_iter((lines > LINES_MAX).then_some(message))
    })?;
    ensure!(long.is_empty(), "{}", lines(&long));
    Ok(())
}

/// Fails if a file says that something is still to be done.
pub(crate) fn check_finished() -> anyhow::Result<()> {
    let unfinished = each_file(|file, text| {
        unfinished(text)
            .into_iter()
            .map(|(line, word)| format!("{file}:{line} says `{word}`: finish it or take it out"))
            .collect()
    })?;
    ensure!(unfinished.is_empty(), "{}", lines(&unfinished));
    Ok(())
}

/// One item a line.
pub(crate) fn lines(items: &[impl Display]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join("\n")
}

/// Where `word` stands in `text` and is not part of a longer name.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let joined_before = in_name(before) && in_name(word.chars().next());
        let joined_after = in_name(after) && in_name(word.chars().next_back());
        !joined_before && !joined_after
    })
}

/// `text` with everything after `//` on each line taken out; line numbers stay.
pub(crate) fn without_line_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let kept: Vec<String> = text.lines().map(code).collect();
    kept.join("\n")
}

fn unfinished(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in UNFINISHED {
            if words(line, word).next().is_some() {
                found.push((index + 1, *word));
            }
        }
    }
    found
}

fn each_file(rule: impl Fn(&str, &str) -> Vec<String>) -> anyhow::Result<Vec<String>> {
    let mut messages = Vec::new();
    for file in tracked()? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
        let name = metadata::relative(&file).display().to_string();
        messages.extend(rule(&name, &text));
    }
    Ok(messages)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_among_the_tracked_or_walked_ones() {
        let mut walked = Vec::new();
        walk(metadata::workspace_root(), &mut walked).unwrap();
        let own = metadata::workspace_root().join("xtask/src/sources.rs");
        assert!(walked.contains(&own));
        let target = metadata::workspace_root().join("target");
        assert!(!walked.iter().any(|file| file.starts_with(&target)));
    }

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        for word in UNFINISHED {
            let text = format!("fn f() {{}}\n// {word} later\n");
            assert_eq!(unfinished(&text), [(2, *word)]);
        }
    }

    #[test]
    fn names_that_contain_such_a_word_are_fine() {
        let text = concat!("struct TO", "DOS; struct TodoList; fn auto", "do!() {}");
        assert_eq!(unfinished(text), []);
    }

    #[test]
    fn comments_go_and_line_numbers_stay() {
        let text = "a // b\n/// c\nd";
        assert_eq!(without_line_comments(text), "a \n\nd");
    }
}
