//! The same program in a process of its own: a server under load, or a heap to be weighed.
//!
//! A child is told what to be by one environment variable, says on a line when it is ready, and ends
//! when its standard input does.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

const VARIABLE: &str = "ABIDE_BENCH_CHILD";

/// What a child does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Serves counters or an echo over HTTP.
    Serve(crate::http::Serve),
    /// Serves objects or an echo over WebSocket and gRPC.
    Frames(crate::frames::ServeFrames),
    /// Tells a number of watchers what happens, and says when it did.
    Publish(crate::fanout::Publish),
    /// Fills its memory and weighs it.
    Weigh(crate::memory::Weigh),
    /// Moves a store.
    Move(crate::moving::Move),
}

/// What this process is, if it is a child.
pub(crate) fn role() -> Option<Role> {
    let text = std::env::var(VARIABLE).ok()?;
    Some(serde_json::from_str(&text).expect("a parent writes roles"))
}

/// Does what the role says.
pub(crate) fn run(role: Role) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match role {
            Role::Serve(serve) => serve.run().await,
            Role::Frames(serve) => serve.run().await,
            Role::Publish(publish) => publish.run().await,
            Role::Weigh(weigh) => weigh.run().await,
            Role::Move(move_) => move_.run().await,
        }
    })
}

/// Says something to the parent.
pub(crate) fn say(message: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Waits for a line of the parent; false when it has gone, or has had enough.
pub(crate) async fn told() -> bool {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    matches!(line.await, Ok(Ok(read)) if read > 0)
}

/// A child process, seen from its parent.
pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(role: &Role) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .env(VARIABLE, serde_json::to_string(role)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or_else(|| anyhow::anyhow!("a child without an output"))?;
        Ok(Self { process, input, output: BufReader::new(output) })
    }

    /// What it says next. Blocks.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| anyhow::anyhow!("a child said {line:?}: {error}"))
    }

    /// Gives it a line, which means: go on.
    pub(crate) fn tell(&mut self) -> anyhow::Result<()> {
        let input = self.input.as_mut().ok_or_else(|| anyhow::anyhow!("the child was told to end"))?;
        input.write_all(b"\n")?;
        Ok(input.flush()?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.output.read_to_end(&mut Vec::new());
        let _ = self.process.wait();
    }
}

/// Seconds of processor time that a process has used so far, in user and in system.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let field = |index: usize| after_name.split_whitespace().nth(index).and_then(|f| f.parse::<f64>().ok());
    (field(11).unwrap_or(0.0) + field(12).unwrap_or(0.0)) / TICKS_A_SECOND
}
