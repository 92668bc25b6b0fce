//! A whole connection without a network, for fuzzing: frames that are known beforehand, and what is said to them.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::Arc,
    task::{Context, Poll},
};

use abide_core::Result;
use abide_node::Node;
use axum::http::HeaderMap;
use parking_lot::Mutex;

use super::{Arrived, Connection, End, Link, Lost, Opening};
use crate::{
    ServerOptions,
    gate::Gate,
    peer::Peer,
    places::Held,
    reads::{ReadsOfCallers, Turn},
    shared::Shared,
    socket::encoding,
    stranger::Stranger,
};

/// The frames of one client, in the order in which they arrive.
struct Script {
    frames: VecDeque<Vec<u8>>,
    packed: bool,
    said: Arc<Mutex<Vec<String>>>,
}

/// Lets a client say all this to a server over `node`, as text or (`packed`) as MessagePack, and then leave.
/// What it was answered.
///
/// # Errors
/// If there cannot be a server.
pub async fn converse(node: Node, frames: Vec<Vec<u8>>, packed: bool) -> Result<Vec<String>> {
    let options = ServerOptions::default();
    let shared = Arc::new(Shared::new(node, &options, Gate::new(&options)?));
    let said = Arc::new(Mutex::new(Vec::new()));
    let script = Script { frames: frames.into(), packed, said: said.clone() };
    let peer = Peer {
        address: Ipv4Addr::LOCALHOST.into(),
        certified: None,
        stranger: Stranger::default(),
        reads: ReadsOfCallers::default(),
    };
    Connection::serve(
        shared.clone(),
        script,
        Opening { headers: HeaderMap::new(), peer, stranger: Held::default(), alone: true },
    )
    .await;
    shared.sessions.end_all(&shared).await;
    let said = std::mem::take(&mut *said.lock());
    Ok(said)
}

impl Link for Script {
    type Text = String;

    fn poll_arrived(&mut self, _: &mut Context<'_>) -> Poll<Arrived<String>> {
        let Some(frame) = self.frames.pop_front() else {
            return Poll::Ready(Arrived::Over { finally: true });
        };
        let read = if self.packed { encoding::read(&frame) } else { Ok(String::from_utf8_lossy(&frame).into_owned()) };
        Poll::Ready(match read {
            Ok(text) => Arrived::Frame(text),
            Err(error) => Arrived::Refused(error),
        })
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, frame: String, _: Option<Turn>) -> Result<(), Lost> {
        self.said.lock().push(frame);
        Ok(())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn probe(&mut self) -> Result<bool, Lost> {
        Ok(true)
    }

    async fn close(&mut self, _: End) {}
}
