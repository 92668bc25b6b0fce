//! The world of one seed, shared by all who act in it.

use std::{fmt, sync::Arc};

use abide_core::{Error, Namespace};
use abide_node::{DynamicCall, Principal};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

use super::{plan::Plan, records::Records};
use crate::{
    check::Outcome,
    world::{Disk, Host, SimClock, Trace, Up},
};

/// Who runs, what is recorded.
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    pub(crate) host: Host,
    pub(crate) disk: Disk,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) trace: Trace,
    pub(crate) records: Mutex<Records>,
    /// Nodes that go on though others have taken over.
    pub(crate) zombies: Mutex<Vec<Arc<Up>>>,
    /// Cancelled when watchers are to stop.
    pub(crate) over: CancellationToken,
}

/// A call to be made: by names.
pub(crate) struct Ask<'a, A> {
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
    pub(crate) handler: &'a str,
    pub(crate) args: A,
    pub(crate) timeout_ms: u64,
    pub(crate) key: Option<&'a str>,
}

/// On whose behalf a client calls: every third is nobody.
pub(super) fn principal(client: u64) -> Option<Arc<Principal>> {
    let known = !client.is_multiple_of(3);
    known.then(|| {
        let (subject, roles) = (format!("client {client}"), vec!["user".to_owned(), format!("role {client}")]);
        Arc::new(Principal { subject, roles, namespace: Namespace::default() })
    })
}

impl Scene {
    /// Virtual nanoseconds since the world began.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Makes a call on a node and waits for what the caller would hear.
    pub(crate) async fn ask<R, A>(&self, client: u64, up: &Arc<Up>, ask: Ask<'_, A>) -> Outcome<R>
    where
        R: DeserializeOwned + fmt::Debug,
        A: Serialize + fmt::Debug,
    {
        let Ask { kind, id, handler, args, timeout_ms, key } = ask;
        let name =
            format!("{kind}/{id}.{handler}{args:?}{}{}", if key.is_some() { " key " } else { "" }, key.unwrap_or(""));
        self.trace.line(format_args!("client {client}: node {}: {name}", up.number));
        let call: DynamicCall<R> = up.node.call(kind, id, handler, args);
        let call = call.timeout(std::time::Duration::from_millis(timeout_ms));
        let call = match principal(client) {
            Some(principal) => call.on_behalf_of(principal),
            None => call,
        };
        let call = match key {
            Some(key) => call.key(key),
            None => call,
        };
        self.hear(client, up, &name, call).await
    }

    /// Waits for an answer, or for the node's end.
    pub(crate) async fn hear<R: fmt::Debug>(
        &self,
        client: u64,
        up: &Arc<Up>,
        name: &str,
        call: impl IntoFuture<Output = Result<R, Error>>,
    ) -> Outcome<R> {
        let answer = tokio::select! {
            biased;
            () = up.gone() => None,
            answer = call => Some(answer),
        };
        let outcome = match &answer {
            None => format!("node {} is gone", up.number),
            Some(Ok(answer)) => format!("ok {answer:?}"),
            Some(Err(error)) => {
                format!("{}{}", error.code(), if error.is_maybe_applied() { ", maybe applied" } else { "" })
            }
        };
        self.trace.line(format_args!("client {client}: {name} → {outcome}"));
        match answer {
            Some(Ok(answer)) => Outcome::Ok(answer),
            Some(Err(error)) if !error.is_maybe_applied() => Outcome::Failed,
            Some(Err(_)) | None => Outcome::Unknown,
        }
    }
}
