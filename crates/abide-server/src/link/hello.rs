//! How a connection begins, and how its end is answered: who is there, and is it somebody who was here before?

use std::{future::poll_fn, sync::Arc};

use abide_core::{
    ClientFrame, Error,
    frame::{Identity, Limits, PROTOCOL, Welcome},
};
use tokio::time::timeout;

use super::{Arrived, End, Link, Opening, Who, text};
use crate::{session::Visit, shared::Shared};

/// Reads the first frame and lets the client in. What is wrong with it ends the connection.
pub(super) async fn admit(shared: &Arc<Shared>, opening: &Opening, frame: &str) -> Result<(Who, Visit), Error> {
    let hello = match ClientFrame::parse(frame, shared.limits.frame_bytes)? {
        ClientFrame::Hello(hello) => hello,
        other => {
            let name = other.name();
            let detail = format!("the first frame is `hello`, not `{name}`; nothing was changed; connect again");
            return Err(Error::bad_request(detail));
        }
    };
    if hello.proto != PROTOCOL {
        let spoken = hello.proto;
        let detail = format!("this server speaks version {PROTOCOL} of the frames, not {spoken}; nothing was changed");
        return Err(Error::bad_request(detail));
    }
    let who = Who::of(shared, hello.token.as_deref(), opening)?;
    let visit = shared.sessions.enter(shared, &who, &hello, opening.peer.address).await?;
    Ok((who, visit))
}

/// What a client that was let in is told.
pub(super) fn welcome(shared: &Shared, who: &Who, visit: &Visit) -> String {
    let limits = &shared.limits;
    let principal = who.principal().map(|principal| {
        let (subject, namespace) = (principal.subject.clone(), principal.namespace.clone());
        Identity { subject, namespace }
    });
    let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    text::welcome(Welcome {
        client: visit.client.id().to_string(),
        principal,
        resume: visit.token.clone(),
        resumed: visit.resumed,
        missed: visit.missed,
        grace_ms: u64::try_from(limits.session_grace.as_millis()).unwrap_or(u64::MAX),
        session: visit.session.as_ref().map(|key| key.kind().clone()),
        server: concat!("abide/", env!("CARGO_PKG_VERSION")).into(),
        proto: PROTOCOL,
        limits: Limits {
            frame_bytes: number(limits.frame_bytes),
            calls: number(limits.calls_per_connection),
            watches: number(limits.watches_per_connection),
            timeout_ms: u64::try_from(limits.call_timeout.as_millis()).unwrap_or(u64::MAX),
        },
    })
}

/// Ends a connection that was not let in. Whoever does not listen does not need to hear why.
pub(super) async fn refuse<L: Link>(shared: &Shared, link: &mut L, error: &Error, end: End) {
    let told = async {
        if poll_fn(|cx| link.poll_room(cx)).await.is_ok() && link.put(text::error(None, error), None).is_ok() {
            let _ = poll_fn(|cx| link.poll_flush(cx)).await;
        }
        link.close(end).await;
    };
    let _ = timeout(shared.limits.write_timeout, told).await;
}

/// The first frame, or why there is none (`None`: nobody is there any more).
pub(super) async fn first<L: Link>(link: &mut L) -> Result<L::Text, Option<(Error, End)>> {
    loop {
        match poll_fn(|cx| link.poll_arrived(cx)).await {
            Arrived::Frame(frame) => return Ok(frame),
            Arrived::Life => {}
            Arrived::Refused(error) => return Err(Some((error, End::Refused))),
            Arrived::Broken(error, end) => return Err(Some((error, end))),
            Arrived::Over { .. } => return Err(None),
        }
    }
}

/// The other side has ended the link, and hears what its protocol answers to that.
pub(super) async fn answer_goodbye<L: Link>(shared: &Shared, link: &mut L) {
    let _ = timeout(shared.limits.write_timeout, poll_fn(|cx| link.poll_flush(cx))).await;
}
