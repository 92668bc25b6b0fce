//! Calls over WebSocket and gRPC, against echoes, and what idle watchers take.
//!
//! Servers are processes of their own; the load comes from one thread of this one.

mod grpc;
mod serve;
mod socket;

use std::net::SocketAddr;

pub(crate) use serve::ServeFrames;
pub(crate) use socket::Socket;

use self::serve::Speaks;
use crate::{
    child::{Child, Role, processor_seconds},
    load::Measured,
    memory::resident_of,
    plan::Plan,
    report::{Field, Rounds, Section, Spread, count},
};

/// How many connections call at a time.
const CONNECTIONS: usize = 64;

/// How many calls each connection has under way.
const WINDOWS: [usize; 2] = [1, 16];

/// Watchers a connection is weighed with before the others come.
const FIRST: usize = 500;

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = format!(
        "calls of a volatile object over {CONNECTIONS} WebSocket connections against a tokio-tungstenite echo, and \
         {CONNECTIONS} at a time over gRPC against a tonic echo; the load comes from one thread of another process"
    );
    let columns = ["what", "echo/s", "abide/s", "of echo", "echo CPU µs", "abide CPU µs", "abide p50/p99 µs"];
    let mut section = Section::new("frames", title, &columns);
    plan.expect((WINDOWS.len() + 1) * plan.rounds * 2);
    for window in WINDOWS {
        let call = |address| socket::pipelined(address, CONNECTIONS, window, plan.seconds);
        let name = format!("WebSocket, {window} under way each");
        section.row(compare(name, [Speaks::SocketEcho, Speaks::Abide], plan, call)?);
    }
    let call = |address| grpc::unary(address, CONNECTIONS, plan.seconds);
    section.row(compare("gRPC unary".into(), [Speaks::GrpcEcho, Speaks::Abide], plan, call)?);
    Ok(section)
}

fn compare(
    name: String,
    servers: [Speaks; 2],
    plan: &Plan,
    call: impl Fn(SocketAddr) -> anyhow::Result<Measured>,
) -> anyhow::Result<Vec<Field>> {
    let mut rounds: [Rounds; 2] = Default::default();
    for _ in 0..plan.rounds {
        for (speaks, rounds) in servers.into_iter().zip(&mut rounds) {
            plan.step(format!("frames: {name}, {speaks:?}"));
            rounds.push(tokio::task::block_in_place(|| {
                let mut child = Child::start(&Role::Frames(ServeFrames { speaks }))?;
                let address = child.hear()?;
                let used = processor_seconds(child.id());
                let measured = call(address)?;
                Ok::<_, anyhow::Error>(measured.with_processor(processor_seconds(child.id()) - used))
            })?);
        }
    }
    let [echo, abide] = rounds;
    Ok(vec![
        Field::label(name),
        echo.rate(),
        abide.rate(),
        abide.of_limit(&echo),
        echo.processor(1),
        abide.processor(1),
        abide.latency(0),
    ])
}

/// What an idle watcher over a WebSocket takes in the server.
pub(crate) async fn watchers(plan: &Plan) -> anyhow::Result<Section> {
    let many = plan.watchers * 10;
    let title = "bytes of the server's memory that an idle WebSocket watcher takes, buffers of the kernel not counted";
    let mut section = Section::new("watchers", title, &["watchers of", "at once", "bytes each"]);
    plan.expect(2 * plan.rounds);
    for (name, objects) in [("one object", 1), ("an object each", many)] {
        let mut bytes = Vec::new();
        for _ in 0..plan.rounds {
            plan.step(format!("watchers: {name}"));
            bytes.push(tokio::task::block_in_place(|| weigh(many, objects))?);
        }
        let each = Field::count(Spread::of(bytes));
        section.row([Field::label(name), Field::label(count(many as f64)), each]);
    }
    Ok(section)
}

fn weigh(many: usize, objects: usize) -> anyhow::Result<f64> {
    let mut child = Child::start(&Role::Frames(ServeFrames { speaks: Speaks::Abide }))?;
    let address = child.hear()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut open = Vec::with_capacity(many);
        let mut before = 0;
        for watcher in 0..many {
            if watcher == FIRST {
                before = settled(child.id()).await;
            }
            open.push(Socket::watch(address, "Volatile", &(watcher % objects).to_string()).await?);
        }
        let after = settled(child.id()).await;
        drop(open);
        Ok(after.saturating_sub(before) as f64 / (many - FIRST) as f64)
    })
}

/// The memory of a process that has come to rest.
async fn settled(process: u32) -> usize {
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    resident_of(&process.to_string())
}
