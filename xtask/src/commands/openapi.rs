//! The OpenAPI step of `cargo xtask test`: schemathesis makes up requests from `/openapi.json` of a running
//! node, right ones and wrong ones, and looks whether the answers are what the document says.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::test::{Counting, Plan};
use crate::{command_line::CommandLine, metadata, programs, services};

/// The version whose checks the node is known to pass.
const PACKAGE: &str = "schemathesis==4.32.5";

/// How long it may look for faults, in seconds.
const SECONDS: &str = "45";

/// What it draws from as a step of the tests: the same requests each time. Run alone, it draws new ones.
const SEED: &str = "1";

/// What it does not look at: whether every request that the schemas allow is taken (a handler may refuse what
/// no schema can say), and `Allow` (a handler may be called as a part of an object is: `alarms`, `changes`).
const LEFT_OUT: &str = "positive_data_acceptance,allow_header_conformance";

/// Runs schemathesis if it is here or can be installed into a folder of its own.
pub(crate) fn plan(ci: bool) -> anyhow::Result<Plan> {
    if let Some(venv) = services::missing().into_iter().find(|service| service.tests == "distobject") {
        return Ok(left_out(ci, services::sentence(&[venv])));
    }
    match install()? {
        Some(_) => Ok(Plan::Run(vec![CommandLine::cargo(["xtask", "openapi", "--seed", SEED])], Counting::Whole)),
        None => Ok(left_out(ci, format!("{PACKAGE} cannot be installed from here"))),
    }
}

fn left_out(ci: bool, why: String) -> Plan {
    if ci { Plan::Failed(why) } else { Plan::NotRun(why) }
}

/// `cargo xtask openapi [--seed N]`: whether nothing was found.
pub(crate) fn run(args: &[String]) -> anyhow::Result<bool> {
    let usage = "openapi has no such option: it has --seed N";
    ensure!(matches!(args, []) || matches!(args, [name, _] if name == "--seed"), usage);
    let program = install()?.with_context(|| format!("{PACKAGE} cannot be installed from here"))?;
    let node = Node::start(&programs::built("abide")?)?;
    let document = format!("{}/openapi.json", node.url);
    let bounds = ["--max-time", SECONDS, "--workers", "1", "--request-timeout", "10", "--phases", "coverage,fuzzing"];
    // A stream without an end is left to tests of its own.
    let scope = ["--exclude-checks", LEFT_OUT, "--exclude-path", "/v1/inspect/changes"];
    let manner = ["--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off", "--no-color"];
    CommandLine::new(&program.display().to_string())
        .args(["run", &document])
        .args(bounds)
        .args(scope)
        .args(manner)
        .args(args)
        .run()
}

/// The program in an environment of its own, made once.
fn install() -> anyhow::Result<Option<PathBuf>> {
    let folder = metadata::target_directory()?.join("schemathesis");
    let program = folder.join("bin/schemathesis");
    let version = || CommandLine::new(&program.display().to_string()).args(["--version"]).succeeds_silently();
    if program.exists() && version() {
        return Ok(Some(program));
    }
    let venv = CommandLine::new("python3").args(["-m", "venv", "--clear", &folder.display().to_string()]);
    let pip = CommandLine::new(&folder.join("bin/python").display().to_string());
    let made = venv.succeeds_silently() && pip.args(["-m", "pip", "install", "--quiet", PACKAGE]).succeeds_silently();
    Ok((made && version()).then_some(program))
}

/// A node in memory, on a free port, for as long as it is looked at.
struct Node {
    process: Child,
    url: String,
}

impl Node {
    fn start(program: &Path) -> anyhow::Result<Self> {
        let arguments = ["serve", "--json", "--log", "error", "--store", "memory:", "--listen", "127.0.0.1:0"];
        let mut process = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("BUG: stdout is piped")?).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line).context("the node did not say where it listens")?;
        let url = started["url"].as_str().context("the node did not say where it listens")?.to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
