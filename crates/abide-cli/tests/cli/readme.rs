//! The README, to the letter: its walk-through is typed into a shell, its example is the one that is built.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use abide_services::{Postgres, Redis};

use crate::node::{Node, PATIENCE};

/// The address that the README writes.
const WRITTEN: &str = "http://127.0.0.1:7070";
/// The time that the README writes for any time.
const MOMENT: &str = "2026-01-02T03:04:05.678Z";

#[test]
fn the_walk_through_of_the_readme_does_what_it_says() {
    walk_through(None);
}

#[test]
fn the_walk_through_is_the_same_on_postgres() {
    let server = Postgres::start().unwrap();
    walk_through(Some(&server.url()));
    let count = "SELECT state ->> 'count' FROM abide.objects WHERE kind = 'Counter' AND id = 'visits'";
    assert_eq!(server.sql(count).unwrap().trim(), "6");
}

#[test]
fn the_walk_through_is_the_same_on_redis() {
    let server = Redis::start().unwrap();
    walk_through(Some(&server.url()));
    assert_eq!(server.ask(&["HGET", "{abide:0}:o:default:Counter:visits", "count"]).unwrap(), "6");
}

/// Types the README's commands into a shell, for a node on this store, or on the default one.
fn walk_through(store: Option<&str>) {
    let mut walk = Walk { store: store.map(str::to_owned), ..Walk::default() };
    for block in blocks(&read("README.md"), "walk-through") {
        match block.language.as_str() {
            "text" => walk.watched(&block.lines),
            _ => steps(&block.lines).into_iter().for_each(|(command, shown)| walk.step(command, &shown)),
        }
    }
    assert!(walk.kills > 0 && walk.watchers.len() == 1, "the walk-through kills a node and watches an object");
}

#[test]
fn the_example_of_the_readme_is_the_counter_example() {
    let built = read("examples/counter/src/main.rs");
    let frame = |line: &&str| line.starts_with("//!") || line.starts_with("#![") || *line == "#[rustfmt::skip]";
    let built: Vec<&str> = built.lines().filter(|line| !frame(line)).skip_while(|line| line.is_empty()).collect();
    let example = blocks(&read("README.md"), "no_run");
    assert_eq!(example[0].lines, built);
}

/// A node, a shell, and whoever watches.
#[derive(Default)]
struct Walk {
    store: Option<String>,
    node: Option<Node>,
    watchers: Vec<Watcher>,
    kills: usize,
}

impl Walk {
    /// Does one line of the walk-through and compares what it prints with what the README shows.
    fn step(&mut self, command: &str, shown: &[&str]) {
        if command == "cargo run --release" {
            return match &mut self.node {
                None => self.node = Some(Node::start_on(self.store.as_deref())),
                Some(node) => node.restart(),
            };
        }
        let node = self.node.as_mut().expect("the walk-through starts a node first");
        if command.starts_with("pkill") {
            node.kill();
            self.kills += 1;
            return;
        }
        let mut shell = shell(node, command);
        if command.starts_with("curl -N") || command.starts_with("abide watch") {
            self.watchers.push(Watcher::start(&mut shell));
            return self.watched(shown);
        }
        let output = shell.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} (curl 7.82 or newer is needed):\n{text}{said}");
        assert_eq!(lines(&text), shown, "{command}");
    }

    /// The lines that the last watcher prints next.
    fn watched(&mut self, shown: &[impl AsRef<str>]) {
        let watcher = self.watchers.last_mut().expect("somebody watches");
        for line in shown {
            assert_eq!(watcher.line(), line.as_ref());
        }
    }
}

/// A command that goes on printing.
struct Watcher {
    process: Child,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(shell: &mut Command) -> Self {
        let mut process = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (tx, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let news = !line.is_empty() && !line.starts_with("retry:") && !line.starts_with(':');
                if news && tx.send(timeless(&line)).is_err() {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the watcher prints a line in time")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A shell that takes `command`, with the node's address in place of the written one.
fn shell(node: &Node, command: &str) -> Command {
    let command = command.replace(WRITTEN, &node.url);
    let mut shell = Command::new("sh");
    let abide = PathBuf::from(env!("CARGO_BIN_EXE_abide"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", abide.parent().unwrap().display());
    // `exec`, so that ending the shell ends the command.
    shell.args(["-c", &format!("exec {command}")]).env("PATH", path).env("ABIDE_URL", &node.url).env("no_proxy", "*");
    shell.current_dir(node.folder.path()).stdin(Stdio::null());
    shell
}

/// A fenced block.
struct Block {
    language: String,
    lines: Vec<String>,
}

/// The fenced blocks whose first line has this word beside or in its language.
fn blocks(text: &str, word: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let inside = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        let mut words = info.split([' ', ',']);
        let language = words.next().unwrap_or_default().to_owned();
        if words.any(|other| other == word) {
            blocks.push(Block { language, lines: inside });
        }
    }
    assert!(!blocks.is_empty(), "the README has blocks marked {word}");
    blocks
}

/// The commands of a block, each with what it is shown to print.
fn steps(lines: &[String]) -> Vec<(&str, Vec<&str>)> {
    let mut steps: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("# "), steps.last_mut()) {
            (Some(shown), Some((_, all))) => all.push(shown),
            _ => steps.push((line, Vec::new())),
        }
    }
    steps
}

/// The lines of a text, with any time in them written as the README writes it.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(timeless).collect()
}

fn timeless(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let moment = rest.get(..MOMENT.len()).is_some_and(|text| {
            text.bytes().zip(MOMENT.bytes()).all(|(a, b)| if b.is_ascii_digit() { a.is_ascii_digit() } else { a == b })
        });
        let taken = if moment { MOMENT.len() } else { first.len_utf8() };
        out.push_str(if moment { MOMENT } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    out
}

/// A file of the repository.
fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
