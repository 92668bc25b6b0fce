//! Durable calls over HTTP, against servers that do less.
//!
//! The server is a process of its own; the load comes from one thread of this one.

mod client;
mod serve;

use std::net::SocketAddr;

pub(crate) use client::Requests;
pub(crate) use serve::{Serve, Server};

use crate::{
    child::{Child, Role, processor_seconds},
    load::Measured,
    plan::Plan,
    report::{Field, Rounds, Section, count},
};

pub(crate) const MANY: usize = 10_000;
const LOADS: [(usize, usize); 4] = [(64, MANY), (64, 1), (256, MANY), (256, 1)];

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Section> {
    let title = "durable calls over HTTP/1.1, against axum with bare rusqlite group commit, and an axum echo; the load \
                 comes from one thread of another process; processor time is the server's, a call";
    let mut section = Section::new(
        "http",
        title,
        &[
            "connections",
            "objects",
            "axum echo/s",
            "axum+rusqlite/s",
            "abide/s",
            "of axum+rusqlite",
            "of echo",
            "axum+rusqlite p50/p99 µs",
            "abide p50/p99 µs",
            "axum+rusqlite CPU µs",
            "abide CPU µs",
        ],
    );
    if let Some((connections, objects)) = plan.only {
        let measured = measure(Server::Abide { metered: false }, connections, objects, plan)?;
        plan.print(&format!("{:.0}/s", measured.rate()));
        return Ok(section);
    }
    plan.expect(LOADS.len() * plan.rounds * 3);
    for (connections, objects) in LOADS {
        let mut rounds: [Rounds; 3] = Default::default();
        for _ in 0..plan.rounds {
            let servers = [Server::Echo, Server::Bare, Server::Abide { metered: false }];
            for (server, rounds) in servers.into_iter().zip(&mut rounds) {
                plan.step(format!("http: {connections} connections on {objects}, {server:?}"));
                rounds.push(measure(server, connections, objects, plan)?);
            }
        }
        let [echo, bare, abide] = rounds;
        section.row([
            Field::label(connections.to_string()),
            Field::label(count(objects as f64)),
            echo.rate(),
            bare.rate(),
            abide.rate(),
            abide.of_limit(&bare),
            abide.of_limit(&echo),
            bare.latency(0),
            abide.latency(0),
            bare.processor(1),
            abide.processor(1),
        ]);
    }
    Ok(section)
}

/// Starts a server in a process of its own and puts it under load.
fn measure(server: Server, connections: usize, objects: usize, plan: &Plan) -> anyhow::Result<Measured> {
    let folder = plan.folder()?;
    let role = Role::Serve(Serve { server, objects: MANY, folder: folder.path().into() });
    tokio::task::block_in_place(|| {
        let mut child = Child::start(&role)?;
        let address: SocketAddr = child.hear()?;
        let requests = Requests::increments(address, objects);
        // What only happens once, such as growing buffers, is not what is measured.
        requests.send(connections, plan.seconds.min(std::time::Duration::from_millis(300)))?;
        let used = processor_seconds(child.id());
        let measured = requests.send(connections, plan.seconds)?;
        Ok(measured.with_processor(processor_seconds(child.id()) - used))
    })
}
