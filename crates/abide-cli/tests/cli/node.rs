use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A node in a process of its own, on a store in a temporary folder.
pub(crate) struct Node {
    process: Child,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    /// The URL of its store, if it is not the default one.
    on: Option<String>,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Node {
    /// Starts a node on a free port.
    pub(crate) fn start() -> Self {
        Self::start_on(None)
    }

    /// Starts a node in a folder that has its configuration.
    pub(crate) fn start_in(folder: TempDir, address: &str) -> Self {
        let (process, url) = serve(folder.path(), address, None);
        Self { process, url, folder, on: None }
    }

    /// Starts a node on this store, or on the default one.
    pub(crate) fn start_on(store: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, url) = serve(folder.path(), "127.0.0.1:0", store);
        Self { process, url, folder, on: store.map(str::to_owned) }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the process as a crash would: it is not asked.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same address, on the same store.
    pub(crate) fn restart(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        (self.process, self.url) = serve(self.folder.path(), &address, self.on.as_deref());
    }

    /// Asks it to stop and waits until it has; gives the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(told.success());
        let ended = eventually("the node to stop", || self.process.try_wait().unwrap());
        ended.code()
    }

    /// The URL of its store.
    pub(crate) fn store(&self) -> String {
        format!("sqlite:{}", self.path("data/abide.db").display())
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        finish(abide(self.folder.path()).env("ABIDE_URL", &self.url).args(arguments))
    }

    /// Runs a command that succeeds, with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).value()
    }

    /// Starts a command and leaves it running.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Background {
        let mut command = abide(self.folder.path());
        command.env("ABIDE_URL", &self.url).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Background { process, lines }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that is still running.
pub(crate) struct Background {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Background {
    /// The next line it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        eventually("the command to end", || self.process.try_wait().unwrap()).code()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Done {
    /// What a command with `--json` printed; it succeeded.
    pub(crate) fn value(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What a command printed; it succeeded.
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.trim_end()
    }
}

/// The command in a folder, with nothing of ours in the environment.
pub(crate) fn abide(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abide"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ABIDE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a node and waits until it says where it listens.
fn serve(folder: &Path, address: &str, store: Option<&str>) -> (Child, String) {
    let mut command = abide(folder);
    command.args(["serve", "--json", "--log", "warn", "--listen", address]);
    command.args(store.iter().flat_map(|store| ["--store", store]));
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    (process, started["url"].as_str().unwrap().to_owned())
}
