//! Objects over gRPC: called, watched, listed, and a connection of frames.

use std::{pin::Pin, sync::Arc};

use abide_core::{Error, Json, Key, Result, Seq};
use abide_node::{CALL_KEY_BYTES_MAX, CallOptions};
use futures_util::{Stream, StreamExt};
use tonic::{Extensions, Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    caller,
    deadline::timeout,
    frames::StreamLink,
    generated::{
        Broadcast, CallReply, CallRequest, Change, Frame, ListReply, ListRequest, Object, Reset, Snapshot, WatchEvent,
        WatchRequest, abide_server::Abide, watch_event::Event,
    },
    status::status,
};
use crate::{
    Caller,
    link::{Connection, Opening, Told, Watching, foreign_session},
    peer::Peer,
    reads::{Reads, in_time},
    request::arguments,
    routes::list::{Shown, USUAL, Wanted, page},
    shared::Shared,
    stranger::Stranger,
    streams::lasting,
};

/// The service of objects.
pub(super) struct Objects {
    shared: Arc<Shared>,
}

impl Objects {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The object that a message names, if it is nobody's session.
    fn key(&self, caller: &Caller, kind: &str, id: &str) -> Result<Key> {
        let key = Key::new(caller.namespace(), &self.shared.kind(kind)?, id)
            .map_err(|error| Error::bad_request(format!("{error}; nothing was changed")))?;
        if self.shared.is_session(key.kind()) { Err(foreign_session(&key)) } else { Ok(key) }
    }

    async fn called(&self, metadata: &MetadataMap, from: &Extensions, call: CallRequest) -> Result<CallReply> {
        let limits = &self.shared.limits;
        let caller = caller(from)?;
        let key = self.key(caller, &call.kind, &call.id)?;
        let mut options = CallOptions { timeout: timeout(metadata, limits.call_timeout)?, ..CallOptions::default() };
        if call.key.len() > CALL_KEY_BYTES_MAX {
            let bytes = call.key.len();
            let detail = format!("`key` has {bytes} bytes; it has {CALL_KEY_BYTES_MAX} at most; nothing was changed");
            return Err(Error::bad_request(detail));
        }
        if !call.key.is_empty() {
            options.key = Some(call.key.into());
        }
        self.shared.gate.allow_call(caller, &key, &call.handler, &mut options)?;
        let args = arguments::read(call.args.as_bytes(), limits.json_depth)?;
        let existing = options.existing;
        let reply = self.shared.node.call_key(&key, &call.handler, args).options(options).json().await;
        let reply = reply.inspect_err(|error| self.shared.gate.noted(caller, existing, error))?;
        Ok(CallReply { result: reply.value.as_str().to_owned(), seq: reply.seq.number() })
    }

    fn watched(&self, from: &Extensions, watch: &WatchRequest) -> Result<Watching> {
        let reads = from.get::<Reads>().ok_or_else(|| Error::internal("BUG: a watch has no turns"))?;
        let caller = caller(from)?;
        let key = self.key(caller, &watch.kind, &watch.id)?;
        self.shared.gate.allow_object(caller, crate::Action::Watch, &key)?;
        let beginning = self.shared.node.begin_watch(&key)?;
        Ok(Watching::new(0, key, beginning, watch.after.map(Seq::new), reads))
    }

    async fn listed(&self, metadata: &MetadataMap, from: &Extensions, list: ListRequest) -> Result<ListReply> {
        let caller = caller(from)?;
        let given = |text: String| (!text.is_empty()).then_some(text);
        let wanted = Wanted {
            prefix: given(list.prefix),
            filter: given(list.r#where),
            order: given(list.order),
            cursor: given(list.cursor),
        };
        let most = self.shared.limits.page_items;
        let limit = if list.limit == 0 { USUAL } else { usize::try_from(list.limit).unwrap_or(most) };
        if limit > most {
            return Err(Error::bad_request(format!("`limit` is 1 to {most}, not {limit}")));
        }
        let most = self.shared.limits.request_timeout;
        let within = timeout(metadata, most)?.unwrap_or(most);
        let page = in_time(within, false, page(&self.shared, caller, &list.kind, wanted, limit)).await?;
        let object = |Shown { object, state }| Object {
            id: object.id,
            seq: object.seq.number(),
            // Not there at all is told by an empty text.
            state: if state { object.state.as_str().to_owned() } else { String::new() },
            created_at: object.created_at.to_string(),
            updated_at: object.updated_at.to_string(),
        };
        let objects = page.objects.into_iter().map(object).collect();
        Ok(ListReply { objects, cursor: page.cursor.unwrap_or_default() })
    }
}

type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Abide for Objects {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallReply>, Status> {
        let (metadata, from, call) = request.into_parts();
        self.called(&metadata, &from, call).await.map(Response::new).map_err(|error| status(&error))
    }

    type ConnectStream = Frames<Frame>;

    async fn connect(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::ConnectStream>, Status> {
        let (metadata, from, arriving) = request.into_parts();
        let opened = from.get::<Peer>().cloned().zip(from.get::<Stranger>().cloned());
        let (peer, stranger) = opened.ok_or_else(|| status(&Error::internal("BUG: a request came from nowhere")))?;
        let (place, waiting) = self.shared.place(peer.address).map_err(|error| status(&error))?;
        let (link, leaving) = StreamLink::new(arriving, stranger);
        let shared = self.shared.clone();
        let opening = Opening { headers: metadata.into_headers(), peer, stranger: waiting, alone: false };
        self.shared.tasks.spawn(async move {
            Connection::serve(shared, link, opening).await;
            drop(place);
        });
        Ok(Response::new(Box::pin(leaving)))
    }

    type WatchStream = Frames<WatchEvent>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (_, from, watch) = request.into_parts();
        let watching = self.watched(&from, &watch).map_err(|error| status(&error))?;
        let closing = self.shared.closing.clone().cancelled_owned();
        let events = watching.into_stream().filter_map(|(_, mut told)| {
            let turn = told.turn();
            std::future::ready(event(told).map(|event| (event, turn)))
        });
        let caller = caller(&from).map_err(|error| status(&error))?;
        let events = lasting(&self.shared, caller, events.take_until(closing), |error| Err(status(error)));
        Ok(Response::new(Box::pin(events)))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let (metadata, from, list) = request.into_parts();
        self.listed(&metadata, &from, list).await.map(Response::new).map_err(|error| status(&error))
    }
}

/// What a watch says; `None` for what this stream does not carry.
fn event(told: Told) -> Option<Result<WatchEvent, Status>> {
    let text = |state: Option<Json>| state.map_or_else(|| "null".into(), |state| state.as_str().to_owned());
    let event = match told {
        Told::Snapshot(seq, state, _) => Event::Snapshot(Snapshot { seq: seq.number(), state: text(state) }),
        Told::Reset(reason, seq, state, _) => {
            Event::Reset(Reset { reason: reason.into(), seq: seq.number(), state: text(state) })
        }
        Told::Change(change) => {
            Event::Change(Change { seq: change.seq.number(), json: change.json.as_str().to_owned() })
        }
        Told::Broadcast(_, broadcast) => Event::Broadcast(Broadcast {
            from: broadcast.from.as_deref().unwrap_or_default().to_owned(),
            data: broadcast.data.as_str().to_owned(),
        }),
        Told::Presence(_) | Told::Members(_) => return None,
        Told::Failed(error) => return Some(Err(status(&error))),
    };
    Some(Ok(WatchEvent { event: Some(event) }))
}
