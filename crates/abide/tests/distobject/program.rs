//! A program of distobject, written in Python.

use std::{
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use abide_services::Redis;
use serde_json::Value;

/// What to install instead of nothing: a folder with distobject's own source, or whatever `pip install` takes.
const PACKAGE_VARIABLE: &str = "ABIDE_DISTOBJECT";

/// One test at a time makes the environment.
static MAKING: Mutex<()> = Mutex::new(());

/// A Python with what the programs need, made once and kept.
fn python() -> PathBuf {
    let _one = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let package = std::env::var(PACKAGE_VARIABLE).ok();
    let name = if package.is_some() { "distobject-published" } else { "distobject" };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (python, made) = (folder.join("bin/python"), folder.join("made"));
    if !made.exists() {
        // Another test's process may be making it, too: whoever is done first gives it its name.
        let own = folder.with_extension(std::process::id().to_string());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&own));
        let mut pip = Command::new(own.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "redis", "ulid-py"]).args(&package);
        run(&mut pip);
        std::fs::write(own.join("made"), "").unwrap();
        if std::fs::rename(&own, &folder).is_err() {
            std::fs::remove_dir_all(&own).unwrap();
        }
    }
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running program, and what it says.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn start(redis: &Redis, arguments: &[&str]) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/distobject/program.py");
        let mut command = Command::new(python());
        command.arg(program).arg(redis.url()).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing it says.
    pub(crate) fn says(&mut self) -> Value {
        let line = self.lines.next().expect("the program goes on").unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        if let Some(published) = said["published"].as_bool() {
            assert_eq!(published, std::env::var_os(PACKAGE_VARIABLE).is_some(), "which distobject runs");
        }
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
