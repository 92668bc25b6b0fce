//! `GET /v1/inspect/changes`: the changes of all objects as they become durable, as server-sent events.
//!
//! It is for looking. A reader that is too slow is told how many changes it missed (event `missed`); what must
//! not miss any reads the feed.

use std::{sync::Arc, time::Duration};

use abide_core::{Key, Result};
use abide_node::{Everything, Heard};
use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::{FutureExt, stream};

use crate::{Caller, Problem, answer::json::Text, request::query::Query, routes::events, shared::Shared};

/// How many bytes of events are sent together at most.
const TOGETHER: usize = 64 << 10;

pub(crate) async fn changes(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    super::admit(&shared, &caller)?;
    let mut query = Query::parse(request.uri().query())?;
    let kind = query.text("kind")?;
    query.finish()?;
    let (known, door) = (caller.clone(), shared.clone());
    let listener = Listener { changes: shared.node.listen(), shared, caller, kind, hello: true };
    let events = stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next().await?;
        Some(((bytes, None), listener))
    });
    Ok(events::respond(&door, &known, events))
}

struct Listener {
    changes: Everything,
    shared: Arc<Shared>,
    caller: Caller,
    kind: Option<String>,
    hello: bool,
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.hello) {
            return Some(Bytes::from_static(events::HELLO));
        }
        let heartbeat: Duration = self.shared.limits.heartbeat;
        let first = tokio::select! {
            biased;
            () = self.shared.closing.cancelled() => return None,
            heard = self.changes.next() => heard?,
            () = tokio::time::sleep(heartbeat) => return Some(Bytes::from_static(events::HEARTBEAT)),
        };
        let mut text = Vec::new();
        let mut heard = Some(first);
        while let Some(now) = heard {
            self.write(&mut text, &now);
            let enough = text.len() >= TOGETHER;
            heard = if enough { None } else { self.changes.next().now_or_never().flatten() };
        }
        Some(if text.is_empty() { Bytes::from_static(events::HEARTBEAT) } else { text.into() })
    }

    fn write(&self, text: &mut Vec<u8>, heard: &Heard) {
        match heard {
            Heard::Change(key, change) if self.shows(key) => {
                let mut data = Text::object(change.json.as_str().len() + key.id().len() + 80);
                data.text("kind", key.kind().as_str()).text("id", key.id()).raw("change", change.json.as_str());
                events::event(text, "change", None, &data.finish());
            }
            Heard::Change(..) => {}
            Heard::Missed(count) => {
                let mut data = Text::object(40);
                data.number("count", *count);
                events::event(text, "missed", None, &data.finish());
            }
        }
    }

    fn shows(&self, key: &Key) -> bool {
        *key.namespace() == *self.caller.namespace()
            && self.kind.as_deref().is_none_or(|kind| kind == key.kind().as_str())
    }
}
