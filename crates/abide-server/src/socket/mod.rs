//! `GET /v1/socket`: frames over a WebSocket, JSON as text or MessagePack as binary.

pub(crate) mod encoding;
mod link;

use std::sync::Arc;

use abide_core::Error;
use axum::{
    Extension,
    extract::{FromRequestParts, Request, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::HeaderValue,
    response::{IntoResponse, Response},
};

use self::{encoding::Encoding, link::SocketLink};
use crate::{
    Problem,
    link::{Connection, Opening},
    peer::Peer,
    shared::Shared,
};

/// How much is read from the network at once. Small, since each idle connection has it.
const READ_BYTES: usize = 4096;

/// How much is written before it is sent although more is to come.
const WRITE_BYTES: usize = 16 << 10;

/// A message over the limit is read so far that the client can be told, and its connection lives on.
const READ_LIMITS: usize = 4;

/// Opens a socket.
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &shared).await.map_err(no_upgrade)?;
    let (place, waiting) = shared.place(peer.address)?;
    let encodings: Vec<HeaderValue> = upgrade.requested_protocols().cloned().collect();
    let encoding = Encoding::chosen(&encodings);
    let bytes_max = shared.limits.frame_bytes.saturating_mul(READ_LIMITS);
    let mut upgrade = upgrade
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    if let Some(encoding) = encoding {
        upgrade.set_selected_protocol(HeaderValue::from_static(encoding.protocol()));
    }
    let stranger = peer.stranger.clone();
    let opening = Opening { headers: parts.headers, peer, stranger: waiting, alone: true };
    let tracked = shared.tasks.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        stranger.begins();
        let link = SocketLink::new(socket, encoding.unwrap_or_default(), stranger);
        Connection::serve(shared, link, opening).await;
        drop((place, tracked));
    }))
}

fn no_upgrade(rejection: WebSocketUpgradeRejection) -> Problem {
    let status = rejection.into_response().status();
    let detail = "this is where WebSocket connections begin: send a WebSocket handshake (version 13)";
    Problem::from(Error::bad_request(detail)).with_status(status)
}
