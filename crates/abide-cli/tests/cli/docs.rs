//! The documentation against what is there: its links, its error pages, its metrics.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use abide::Code;

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = target.exists();
            if !there || (!anchor.is_empty() && !anchors(&target).contains(anchor)) {
                broken.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let folder = root().join("docs/errors");
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(pages, Code::ALL.iter().map(|code| code.as_str().to_owned()).collect());
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    for code in Code::ALL {
        let page = fs::read_to_string(folder.join(format!("{code}.md"))).unwrap();
        assert!(page.starts_with(&format!("# `{code}`\n")), "{code}");
        assert!(page.contains(&format!("`retryable`: `{}`", code.retryable())), "{code}");
        for part in ["What happened", "Whether anything changed", "Whether to retry", "What to do"] {
            assert!(page.contains(&format!("\n## {part}\n")), "{code}: {part}");
        }
        let retry = if code.retryable() { "yes" } else { "no" };
        let row = index.lines().find(|line| line.starts_with(&format!("| [`{code}`]({code}.md) |")));
        assert!(row.is_some_and(|row| row.contains(&format!("| {retry} |"))), "{code}: {row:?}");
    }
}

#[test]
fn the_operations_guide_lists_exactly_the_metrics_that_are_collected() {
    let guide = fs::read_to_string(root().join("docs/guide/operations.md")).unwrap();
    let listed: BTreeSet<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `abide_")).map(name).collect();
    let sources = ["abide-node/src", "abide-server/src"].map(|folder| sources(&root().join("crates").join(folder)));
    let sources = sources.concat();
    let quoted = sources.split('"').filter_map(|text| text.strip_prefix("abide_"));
    let collected: BTreeSet<&str> =
        quoted.filter(|text| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).collect();
    assert_eq!(listed, collected.into_iter().filter(|name| !CRATES.contains(name)).collect());
}

/// What also begins with `abide_` in the sources and is no metric.
const CRATES: [&str; 4] = ["core", "node", "server", "store"];

/// The name of a metric at the beginning of a text.
fn name(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every page: those at the root, and all below `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = files(&root().join("docs"));
    pages.extend(fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()));
    pages.retain(|page| page.extension().is_some_and(|ext| ext == "md"));
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn sources(folder: &Path) -> String {
    let rust = files(folder).into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "rs"));
    rust.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// The targets of Markdown links outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|text| text.split("](").skip(1)).filter_map(|rest| rest.split(')').next())
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let prose: Vec<&str> = text.split("\n```").step_by(2).collect();
    let headings = prose.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>()
            .replace(' ', "-")
    };
    headings.map(anchor).collect()
}
