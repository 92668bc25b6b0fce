//! The chat for terminals: real processes, and what the README types into them.
#![allow(missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes in real time")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use abide::{Client, Objects, Ref, json};
use chat_example::ChatRoom;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server for chats, in a process of its own.
struct Server {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let process = serve(&address, folder.path());
        Self { process, address, folder }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = serve(&self.address, self.folder.path());
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(address: &str, folder: &Path) -> Child {
    let process = chat().current_dir(folder).args(["--serve", address]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the server does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    process
}

fn chat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.env_remove("ABIDE_TOKEN").stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Somebody at a terminal.
struct Person {
    process: Child,
    keys: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Person {
    fn sit_down(server: &Server, name: &str) -> Self {
        let mut command = chat();
        command.args(["--server", &server.url(), "--name", name]).stdin(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let keys = process.stdin.take().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (tx, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tx.send(line)));
        let mut person = Self { process, keys, lines, seen: Vec::new() };
        person.sees("* you are in hall");
        person
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }

    /// Waits until this line is shown, after those that were waited for before.
    fn sees(&mut self, wanted: &str) {
        self.sees_one(wanted, |line| line == wanted);
    }

    fn sees_one(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        loop {
            let next = self.lines.recv_timeout(PATIENCE);
            let line = next.unwrap_or_else(|error| panic!("{error} before {what:?}; seen: {:#?}", self.seen));
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| wanted(line)) {
                return;
            }
        }
    }

    fn leaves(mut self) -> Vec<String> {
        self.types("/quit");
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
        self.seen.extend(self.lines.iter());
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The conversation in the README: `alice> …` is typed, `bob| …` is seen, and the server is killed and started.
#[test]
fn the_conversation_of_the_readme_goes_as_it_says() {
    let readme = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("```chat\n").expect("the README has a conversation");
    let (conversation, _) = rest.split_once("```").unwrap();

    let mut server = Server::start();
    let mut people: HashMap<&str, Person> = HashMap::new();
    for name in ["alice", "bob"] {
        people.insert(name, Person::sit_down(&server, name));
    }
    people.get_mut("alice").unwrap().sees("* [hall] bob is here");
    for line in conversation.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            match comment {
                "kill -9 the server" => server.kill(),
                "start it again" => server.restart(),
                other => panic!("the README says {other:?}, which this test cannot do"),
            }
        } else if let Some((name, text)) = line.split_once("> ") {
            people.get_mut(name).unwrap().types(text);
        } else {
            let (name, text) = line.split_once("| ").unwrap_or_else(|| panic!("{line:?} is nothing anybody does"));
            people.get_mut(name.trim()).unwrap().sees(text);
        }
    }
    for (_, person) in people {
        person.leaves();
    }
}

#[test]
fn no_line_is_lost_or_said_twice_while_the_server_is_killed_again_and_again() {
    const LINES: usize = 90;
    let mut server = Server::start();
    let mut alice = Person::sit_down(&server, "alice");
    let mut bob = Person::sit_down(&server, "bob");
    for n in 1..=LINES {
        alice.types(&format!("line {n}"));
        if n % 30 == 0 {
            bob.sees(&format!("[hall] alice: line {}", n - 15));
            server.kill();
            server.restart();
        }
    }
    bob.sees(&format!("[hall] alice: line {LINES}"));
    let said: Vec<_> = bob.leaves().into_iter().filter(|line| line.starts_with("[hall] alice: ")).collect();
    let all: Vec<_> = (1..=LINES).map(|n| format!("[hall] alice: line {n}")).collect();
    assert_eq!(said, all);
}

#[test]
fn whoever_comes_back_from_a_lost_connection_has_not_left() {
    let mut server = Server::start();
    let mut alice = Person::sit_down(&server, "alice");
    let mut bob = Person::sit_down(&server, "bob");
    alice.sees("* [hall] bob is here");
    server.kill();
    alice.sees("* the server is away; what you type is said when it is back");
    alice.types("anybody?");
    alice.sees("  not said yet: anybody?");
    server.restart();
    alice.sees("* connected again");
    bob.sees("* connected again");
    bob.sees("[hall] alice: anybody?");
    bob.types("still here");
    alice.sees("[hall] bob: still here");
    bob.types("/quit");
    alice.sees("* [hall] bob has left");
    let said = alice.leaves();
    let left: Vec<_> = said.iter().filter(|line| line.contains("has left")).collect();
    assert_eq!(left, ["* [hall] bob has left"], "{said:#?}");
    assert_eq!(said.iter().filter(|line| line.ends_with("bob is here")).count(), 1, "{said:#?}");
}

#[test]
fn rooms_are_listed_entered_and_left_and_whispers_are_heard_by_one() {
    let server = Server::start();
    let mut alice = Person::sit_down(&server, "alice");
    let mut bob = Person::sit_down(&server, "bob");
    alice.sees("* [hall] bob is here");
    alice.types("/join garden");
    alice.types("roses!");
    alice.sees("[garden] alice: roses!");
    bob.types("/join garden");
    bob.sees("[garden] alice: roses!");
    bob.sees("* [garden] alice is here");
    bob.types("/messages 1");
    bob.sees_one("the last line", |line| line.starts_with("  [garden] 1 alice: roses!"));
    alice.sees("* [garden] bob is here");
    bob.types("/who");
    bob.sees("  alice, and you");
    bob.types("/w alice psst");
    alice.sees("  bob whispers: psst");
    bob.types("/list");
    bob.sees_one("the garden in the list", |line| line == "  garden: 1 line, 2 members");
    bob.types("/leave");
    bob.sees("* you left garden");
    alice.sees("* [garden] bob has left");
    bob.types("/nonsense");
    bob.sees("! there is no /nonsense; /help says what there is");
    bob.types("/help");
    bob.sees_one("the help", |line| line.starts_with("/quit"));
    bob.leaves();
    alice.leaves();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_is_shown() {
    let server = Server::start();
    let mut alice = Person::sit_down(&server, "alice");
    let client = Client::connect(server.url()).await.unwrap();
    let watch = client.watch("ChatRoom", "hall").presence().await.unwrap();
    watch.present(json!({"name": "carol"})).await.unwrap();
    alice.sees("* [hall] carol is here");
    watch.present(json!({"name": "carol", "typing": true})).await.unwrap();
    alice.sees("* [hall] carol is typing…");
    drop(watch);
    alice.sees("* [hall] carol has left");
    alice.leaves();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_quits_is_in_no_room_any_more() {
    let server = Server::start();
    let mut alice = Person::sit_down(&server, "alice");
    let mut bob = Person::sit_down(&server, "bob");
    alice.sees("* [hall] bob is here");
    bob.types("/join garden");
    bob.types("roses!");
    bob.sees("[garden] bob: roses!");
    let client = Client::connect(server.url()).await.unwrap();
    let (hall, garden) = (client.object::<ChatRoom>("hall"), client.object::<ChatRoom>("garden"));
    are_members(&hall, &["alice", "bob"]).await;
    are_members(&garden, &["bob"]).await;
    bob.leaves();
    are_members(&hall, &["alice"]).await;
    are_members(&garden, &[]).await;
    // Somebody of the same name who leaves does not silence her.
    let mut again = Person::sit_down(&server, "alice");
    again.types("it is me, too");
    alice.sees("[hall] alice: it is me, too");
    again.leaves();
    are_members(&hall, &[]).await;
    alice.types("still here");
    alice.sees("[hall] alice: still here");
    are_members(&hall, &["alice"]).await;
    alice.leaves();
}

/// Waits until these are in a room.
async fn are_members(room: &Ref<ChatRoom>, wanted: &[&str]) {
    let begun = Instant::now();
    loop {
        let mut members = room.members().await.unwrap();
        members.sort();
        if members == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{members:?} stay, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
