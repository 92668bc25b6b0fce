//! The node over gRPC, for those who look after it.

use std::sync::Arc;

use abide_core::Result;
use tonic::{Request, Response, Status};

use super::{
    caller,
    deadline::timeout,
    generated::{KindsReply, KindsRequest, StatusReply, StatusRequest, admin_server::Admin},
    status::status,
};
use crate::{Ask, reads::in_time, shared::Shared};

/// The service of the node itself.
pub(super) struct NodeAdmin {
    shared: Arc<Shared>,
}

impl NodeAdmin {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn allow<T>(&self, request: &Request<T>) -> Result<()> {
        let caller = caller(request.extensions())?;
        self.shared.gate.allow(caller, &Ask::admin(caller.namespace()))
    }

    async fn seen(&self, request: &Request<StatusRequest>) -> Result<StatusReply> {
        self.allow(request)?;
        let most = self.shared.limits.request_timeout;
        let within = timeout(request.metadata(), most)?.unwrap_or(most);
        let node = &self.shared.node;
        let (store, _) = in_time(within, false, self.shared.last_count.of(node)).await?;
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        Ok(StatusReply {
            version: env!("CARGO_PKG_VERSION").into(),
            shards: node.shards(),
            objects_in_memory: number(node.objects_in_memory()),
            bytes_in_memory: number(node.bytes_in_memory()),
            objects_watched: number(node.objects_watched()),
            messages_under_way: number(node.messages_under_way()),
            clients: number(node.clients()),
            objects: store.objects.iter().map(|(_, count)| count).sum(),
        })
    }
}

#[tonic::async_trait]
impl Admin for NodeAdmin {
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        self.seen(&request).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn kinds(&self, request: Request<KindsRequest>) -> Result<Response<KindsReply>, Status> {
        self.allow(&request).map_err(|error| status(&error))?;
        let json = String::from_utf8_lossy(&self.shared.kinds_json).into_owned();
        Ok(Response::new(KindsReply { json }))
    }
}
